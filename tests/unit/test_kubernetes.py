"""deploy/kubernetes, held against the code. `make deployment` holds it against Kubernetes' own schemas."""

import os
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from credit_movements.commands.main import app
from credit_movements.settings import load_settings, required
from credit_movements.setup.acls import USERS, Resource, permissions
from deploy.probe import PORTS
from tests.deployment.compose import ROOT, SERVICES
from tests.kafka.certificates import Authority
from tests.unit.test_compose import NEEDED

FOLDER = ROOT / "deploy" / "kubernetes"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PROJECT["project"]["version"]
KAFKA_USER = {
    "setup": "setup",
    "rater": "rater",
    "sink": "sink",
    "watch": "watch",
    "exporter": "exporter",
    "audit": "commands",
}
CLICKHOUSE_USERS = {
    "setup": "credit_setup",
    "sink": "credit_sink",
    "exporter": "credit_reader",
    "audit": "credit_reader",
}

Object = dict[str, Any]


def objects(*paths: Path) -> Iterator[Object]:
    for path in paths:
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


ALL = [each for each in objects(*sorted(FOLDER.rglob("*.yaml"))) if each["kind"] != "Kustomization"]
WORKLOADS = {
    each["spec"]["template"]["spec"]["containers"][0]["name"]: each
    for each in ALL
    if "template" in each.get("spec", {})
}
LONG = ["rater", "sink", "watch", "exporter"]
SECRETS = {each["metadata"]["name"]: each["stringData"] for each in ALL if each["kind"] == "Secret"}
CONFIG = {each["metadata"]["name"]: each["data"] for each in ALL if each["kind"] == "ConfigMap"}


def of_kind(kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in ALL if each["kind"] == kind}


def pod(worker: str) -> Object:
    spec: Object = WORKLOADS[worker]["spec"]["template"]["spec"]
    return spec


def container(worker: str) -> Object:
    (only,) = pod(worker)["containers"]
    return dict(only)


def environment(worker: str, folder: Path) -> dict[str, str]:
    """What a container sees, where its volumes lie below a folder; the files of its secrets and certificates are there."""
    given = dict(CONFIG["credit-movements"])
    for source in container(worker)["envFrom"]:
        given |= SECRETS[source["secretRef"]["name"]] if "secretRef" in source else {}
    for each in container(worker)["env"]:
        given[each["name"]] = each.get("value", f"{worker}-0")
    mounts = {mount["name"]: folder / mount["mountPath"].lstrip("/") for mount in container(worker)["volumeMounts"]}
    mounts["secrets"].mkdir(parents=True)
    for name, text in SECRETS[worker].items():
        (mounts["secrets"] / name).write_text(text.replace("FILL_IN", "5ecre7" * 11))
    for name in CONFIG["credit-movements-ca"]:
        Authority(mounts["ca"], name.removesuffix(".pem"))
    return {name: f"{folder}{text}" if text.startswith("/etc/") else text for name, text in given.items()}


def test_setup_rater_sink_and_exporter_are_what_they_have_to_be() -> None:
    assert {name: each["kind"] for name, each in WORKLOADS.items()} == {
        "setup": "Job",
        "rater": "StatefulSet",
        "sink": "Deployment",
        "watch": "StatefulSet",
        "exporter": "Deployment",
        "audit": "StatefulSet",
    }


@pytest.mark.parametrize("worker", WORKLOADS)
def test_the_settings_are_settings_that_the_command_accepts(
    worker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CREDIT_")]:
        monkeypatch.delenv(name)
    for name, value in environment(worker, tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    for field in [*NEEDED[worker], "kafka_sasl_username", "kafka_sasl_password", "kafka_ssl_ca_file"]:
        assert required(settings, field)
    assert required(settings, "kafka_security_protocol") == "SASL_SSL"
    assert container(worker)["envFrom"][0] == {"configMapRef": {"name": "credit-movements"}}


@pytest.mark.parametrize("worker", WORKLOADS)
def test_each_worker_is_the_user_that_its_rights_are_granted_to(worker: str) -> None:
    users = {each["name"]: each.get("value") for each in container(worker)["env"]}
    assert users["CREDIT_KAFKA_SASL_USERNAME"] == KAFKA_USER[worker]
    assert KAFKA_USER[worker] in USERS
    dsn = SECRETS[worker].get("clickhouse-dsn")
    assert (dsn is None) == (worker not in CLICKHOUSE_USERS)
    assert dsn is None or dsn.startswith(f"https://{CLICKHOUSE_USERS[worker]}:")


@pytest.mark.parametrize("worker", WORKLOADS)
def test_a_worker_sees_its_own_secrets_alone_and_all_of_them(worker: str) -> None:
    mounted = [volume["secret"]["secretName"] for volume in pod(worker)["volumes"] if "secret" in volume]
    assert mounted == [worker]
    read = {Path(each["value"]).name for each in container(worker)["env"] if each["name"].endswith("_FILE")}
    assert read == set(SECRETS[worker])


def test_no_secret_is_written_down() -> None:
    for texts in SECRETS.values():
        assert all("FILL_IN" in text for text in texts.values())
    words = re.compile("PASSWORD|SECRET|TOKEN|DSN|KEY")
    for worker in WORKLOADS:
        plain = [each["name"] for each in container(worker)["env"] if words.search(each["name"])]
        assert [name for name in plain if not name.endswith("_FILE")] == []
    assert [name for texts in CONFIG.values() for name in texts if words.search(name)] == []


@pytest.mark.parametrize("worker", WORKLOADS)
def test_the_image_is_ours_of_this_version_and_its_command_exists(worker: str) -> None:
    assert container(worker)["image"] == f"{PROJECT['project']['name']}:{VERSION}"
    command, *options = container(worker)["args"]
    commands = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - mypy does not know that it is a group
    assert commands[command].make_context(command, list(options)).command.name == command
    assert SERVICES[worker]["command"] == [command, *options]


def test_a_new_version_has_a_new_job_and_the_right_image() -> None:
    page = (ROOT / "docs" / "production" / "kubernetes.md").read_text()
    assert set(re.findall(r"job/([\w-]+)", page)) == set(of_kind("Job"))
    assert set(re.findall(r"deploy/kubernetes/(\w+)", page)) == {path.parent.name for path in FOLDER.glob("*/*")}
    assert set(of_kind("Job")) == {f"setup-{VERSION.replace('.', '-')}"}
    for path in sorted(FOLDER.rglob("kustomization.yaml")):
        (kustomization,) = objects(path)
        (image,) = kustomization["images"]
        assert (image["name"], image["newTag"]) == (PROJECT["project"]["name"], VERSION)
        beside = {each.name for each in path.parent.glob("*.yaml")} - {path.name}
        assert set(kustomization["resources"]) == beside


@pytest.mark.parametrize("worker", WORKLOADS)
def test_nobody_is_root_and_nobody_writes_but_where_he_may(worker: str) -> None:
    of_pod, of_container = pod(worker)["securityContext"], container(worker)["securityContext"]
    assert of_pod["runAsNonRoot"]
    user, group = (ROOT / "Dockerfile").read_text().split("USER ")[1].split()[0].split(":")
    assert (of_pod["runAsUser"], of_pod["runAsGroup"], of_pod["fsGroup"]) == (int(user), int(group), int(group))
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(worker)["automountServiceAccountToken"] is False
    assert {mount["mountPath"] for mount in container(worker)["volumeMounts"] if not mount.get("readOnly")} == {
        "/tmp",
        "/var/lib/credit-movements",
    }


@pytest.mark.parametrize("worker", WORKLOADS)
def test_each_has_memory_and_time_to_finish(worker: str) -> None:
    resources = container(worker)["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}
    assert pod(worker)["terminationGracePeriodSeconds"] > timedelta(seconds=15).total_seconds()


@pytest.mark.parametrize("worker", LONG)
def test_each_is_asked_whether_it_lives_and_whether_it_is_ready_at_its_own_port(worker: str) -> None:
    (port,) = container(worker)["ports"]
    given = {each["name"]: each.get("value") for each in container(worker)["env"]}
    (setting,) = [name for name in given if name.endswith("_HTTP_PORT")]
    assert int(given[setting]) == port["containerPort"] == PORTS[setting]
    pages = {kind: container(worker)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {each["port"] for each in pages.values()} == {port["name"]}
    assert {kind: each["path"] for kind, each in pages.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    annotations = WORKLOADS[worker]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])


@pytest.mark.parametrize("worker", LONG)
def test_what_selects_pods_selects_those_of_the_worker(worker: str) -> None:
    labels = WORKLOADS[worker]["spec"]["template"]["metadata"]["labels"]
    budget = of_kind("PodDisruptionBudget")[worker]["spec"]
    assert budget["maxUnavailable"] == 1
    selectors = [WORKLOADS[worker]["spec"]["selector"], budget["selector"]]
    selectors += [each["labelSelector"] for each in pod(worker)["topologySpreadConstraints"]]
    if worker in of_kind("Service"):
        service = of_kind("Service")[worker]["spec"]
        selectors.append({"matchLabels": service["selector"]})
        assert service["ports"][0]["targetPort"] == container(worker)["ports"][0]["name"]
    assert all(each["matchLabels"].items() <= labels.items() for each in selectors)


@pytest.mark.parametrize("worker", ["rater", "audit"])
def test_rater_and_audit_keep_what_they_know_on_their_volume(worker: str) -> None:
    spec = WORKLOADS[worker]["spec"]
    assert spec["serviceName"] in of_kind("Service")
    (claim,) = spec["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container(worker)["volumeMounts"]}
    assert f"CREDIT_DATA_DIR={mounts[claim['metadata']['name']]} " in (ROOT / "Dockerfile").read_text()


def test_there_is_one_audit_and_it_is_asked_at_its_port() -> None:
    assert WORKLOADS["audit"]["spec"]["replicas"] == 1
    (port,) = container("audit")["ports"]
    assert container("audit")["args"][-2:] == ["--http-port", str(port["containerPort"])]
    assert container("audit")["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}


def test_a_rater_keeps_its_id() -> None:
    (rater_id,) = [each for each in container("rater")["env"] if each["name"] == "CREDIT_RATER_ID"]
    assert rater_id["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    (granted,) = [each for each in permissions() if (each.user, each.resource) == ("rater", Resource.TRANSACTIONAL_ID)]
    assert f"{WORKLOADS['rater']['metadata']['name']}-0".startswith(granted.name)


def test_the_network_lets_in_what_the_pages_need_and_out_what_the_settings_name() -> None:
    into = {
        port["port"]
        for each in of_kind("NetworkPolicy").values()
        for rule in each["spec"]["ingress"]
        for port in rule["ports"]
    }
    assert into == {*PORTS.values(), container("audit")["ports"][0]["containerPort"]}
    out = {port["port"] for rule in of_kind("NetworkPolicy")["workers"]["spec"]["egress"] for port in rule["ports"]}
    kafka = {
        int(each.rpartition(":")[2]) for each in CONFIG["credit-movements"]["CREDIT_KAFKA_BOOTSTRAP_SERVERS"].split(",")
    }
    clickhouse = {
        int(port) for texts in SECRETS.values() for port in re.findall(r":(\d+)/", texts.get("clickhouse-dsn", ""))
    }
    assert out == {53, 443, *kafka, *clickhouse}


def test_all_of_it_is_in_one_namespace_that_takes_restricted_pods_alone() -> None:
    (namespace,) = of_kind("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    inside = [each for each in ALL if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in inside} == {namespace["metadata"]["name"]}
