"""What Prometheus asks, the alerts and the dashboard name metrics, labels and ports that the workers really have."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deployment.compose import ROOT, SERVICES, published
from tests.docs.reference import metrics
from tests.jars import not_tested_on

PROMETHEUS = ROOT / "deploy" / "prometheus"
CONFIG: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/credit-movements.json").read_text())
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
# Labels that Prometheus itself adds.
ITS_OWN = {"le", "job", "instance"}


def names() -> dict[str, set[str]]:
    """Metric as Prometheus sees it → its labels."""
    return {
        name.strip("`") + suffix: set(re.findall(r"`(\w+)`", labels))
        for name, kind, labels, *_ in metrics()
        for suffix in SUFFIXES[kind]
    }


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in ALERTS)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_names_metrics_and_labels_that_are_there(expression: str) -> None:
    known = names()
    used = set(re.findall(r"credit_\w+", expression))
    assert used <= known.keys()
    assert used or expression == "up == 0"
    labels = {label for listed in re.findall(r"by \(([^)]*)\)", expression) for label in listed.split(", ")}
    labels |= set(re.findall(r"(\w+)=\"", expression))
    assert labels <= set().union(*(known[name] for name in used)) | ITS_OWN


def test_each_worker_is_asked_at_its_port() -> None:
    asked = {job["job_name"]: job["static_configs"][0]["targets"] for job in CONFIG["scrape_configs"]}
    assert asked == {
        name: [f"{name}:{port}"] for name in ("rater", "sink", "watch", "exporter", "audit") for port in published(name)
    }


def test_what_the_operators_page_says_to_watch_is_an_alert() -> None:
    page = (ROOT / "docs" / "how-to" / "operate.md").read_text()
    (table,) = re.findall(r"\| alert on \| it means \|\n(.*?)\n\n", page, re.DOTALL)
    watched = set(re.findall(r"credit_\w+", table)) - {"credit_destinations_not_numbers_total"}
    assert watched <= {name for rule in ALERTS for name in re.findall(r"credit_\w+", rule["expr"])}


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/datasource.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert source["url"] == f"http://prometheus:{next(iter(published('prometheus')))}"
    (provider,) = yaml.safe_load((ROOT / "deploy/grafana/provider.yml").read_text())["providers"]
    mounted = [volume.split(":") for volume in SERVICES["grafana"]["volumes"]]
    assert ["./deploy/grafana/dashboards", provider["options"]["path"], "ro"] in mounted


@pytest.fixture(scope="module")
def promtool() -> str:
    tool = shutil.which("promtool")
    if tool is None:
        not_tested_on("Prometheus", "there is no `promtool`: Debian's package prometheus has it")
    return str(tool)


@pytest.mark.parametrize("command", [["check", "config", "prometheus.yml"], ["test", "rules", "alerts.test.yml"]])
def test_prometheus_takes_it_and_each_alert_fires_when_it_must_and_is_silent_else(
    promtool: str, command: list[str]
) -> None:
    done = subprocess.run([promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_trial_of_its_own() -> None:
    (trouble, *_) = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
    tried = [re.findall(r'alertname="(\w+)"', each["expr"])[0] for each in trouble["promql_expr_test"]]
    assert tried == [rule["alert"] for rule in ALERTS]
