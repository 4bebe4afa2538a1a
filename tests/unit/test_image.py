"""The Dockerfile and the pins of packages, held against the code, so that a disagreement shows without building an image."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from credit_movements.settings import Settings, variable
from credit_movements.workers.health import health_page
from deploy.probe import PORTS
from tests.deployment.compose import PROBE, ROOT, SERVICES

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / file).read_text(), re.MULTILINE))


def test_the_image_has_our_packages_and_starts_our_command() -> None:
    copied = re.findall(r"^COPY (\w+) (\w+)$", DOCKERFILE, re.MULTILINE)
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert copied == [(package, package) for package in packages]
    (entry_point,) = PROJECT["project"]["scripts"]
    assert f'ENTRYPOINT ["{entry_point}"]' in DOCKERFILE.splitlines()
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match("COPY (?!--from)", line)]
    assert let_in == {source for line in sources for source in line}


def test_the_image_is_of_one_exact_python_and_runs_as_nobody_in_particular() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    version = re.fullmatch(r"python:3\.(\d+)\.\d+-slim-\w+", bases[0])
    assert version is not None
    assert int(version[1]) >= int(PROJECT["project"]["requires-python"].removeprefix(">=3."))
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert users == [("10001", "10001")]


def test_what_a_worker_keeps_lies_in_the_volume() -> None:
    (folder,) = re.findall(r"CREDIT_DATA_DIR=(\S+)", DOCKERFILE)
    assert f"VOLUME {folder}" in DOCKERFILE.splitlines()
    assert SERVICES["rater"]["volumes"] == [f"rater:{folder}"]


def test_the_image_gets_the_packages_that_the_tests_run_on_and_no_others() -> None:
    tested, production, build = map(pins, ["constraints.txt", "constraints-production.txt", "constraints-build.txt"])
    assert production.items() <= tested.items()
    assert build.items() <= tested.items()
    assert set(PROJECT["build-system"]["requires"]) <= set(build)
    name = re.compile(r"[\w.-]+")
    direct = {name.match(each)[0].lower() for each in PROJECT["project"]["dependencies"]}  # type: ignore[index]
    assert direct <= set(production)
    extras = [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
    unwanted = {name.match(each)[0].lower() for each in extras}  # type: ignore[index]
    # What a test imports may be something that production has anyhow, as `cryptography`.
    needed = {name.match(each)[0].lower() for each in required_by(production)}  # type: ignore[index]
    assert (unwanted - needed).isdisjoint(production)


def required_by(packages: dict[str, str]) -> Iterator[str]:
    """What the packages that are installed here require, without their extras."""
    for package in packages:
        with suppress(PackageNotFoundError):
            yield from (each for each in requires(package) or [] if "extra ==" not in each)


def test_the_image_says_what_it_is() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', DOCKERFILE))
    assert labels["title"] == PROJECT["project"]["name"]
    assert labels["version"] == PROJECT["project"]["version"]
    assert labels["licenses"] == PROJECT["project"]["license"]
    assert labels["base.name"].endswith(re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE)[0])
    assert (
        f"# The image of every worker and of `setup`: `docker run ... credit-movements:{labels['version']} "
        in DOCKERFILE
    )


def test_nothing_that_builds_is_in_the_last_stage() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.search(r"pip uninstall --yes pip setuptools wheel", last)
    assert "--without-pip" in DOCKERFILE
    assert not re.search(r"apt|curl|pip install|COPY constraints", last)


def probe(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "deploy" / "probe.py", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


def test_the_image_asks_whether_its_worker_lives() -> None:
    (asked,) = re.findall(r"HEALTHCHECK [^\n]*\\\n\s+CMD (\[.*\])", DOCKERFILE)
    assert json.loads(asked) == ["python", PROBE, "healthz"]
    assert f"COPY deploy/probe.py {PROBE}" in DOCKERFILE.splitlines()
    assert "STOPSIGNAL SIGTERM" in DOCKERFILE.splitlines()


def test_the_probe_knows_the_ports_of_the_settings() -> None:
    fields = [field for field in Settings.model_fields if field.endswith("_http_port")]
    assert {variable(field): Settings.model_fields[field].default for field in fields} == PORTS
    exposed = re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)[0].split()
    assert sorted(exposed) == sorted(str(port) for port in PORTS.values())


@pytest.mark.parametrize("port_of", PORTS)
@pytest.mark.parametrize(
    ("reason", "page", "status"),
    [
        (None, "readyz", 0),
        ("partitions are being prepared", "readyz", 1),
        ("partitions are being prepared", "healthz", 0),
    ],
)
def test_the_probe_asks_the_worker_that_is_there(port_of: str, reason: str | None, page: str, status: int) -> None:
    with health_page("127.0.0.1", 0, "SETTING", CollectorRegistry(), lambda: reason) as port:
        nobody = dict.fromkeys(PORTS, "1")
        assert probe(page, **{**nobody, port_of: str(port)}).returncode == status


def test_the_probe_asks_at_a_port_that_it_is_given() -> None:
    with health_page("127.0.0.1", 0, "SETTING", CollectorRegistry(), lambda: None) as port:
        assert probe("healthz", str(port)).returncode == 0


def test_where_no_worker_listens_the_probe_says_no() -> None:
    asked = probe("healthz", **dict.fromkeys(PORTS, "1"))
    assert (asked.returncode, asked.stderr) == (1, "no worker listens here\n")


def test_the_probe_is_through_before_docker_gives_it_up() -> None:
    (seconds,) = re.findall(r"--timeout=(\d+)s", DOCKERFILE)
    (own,) = re.findall(r"^_TIMEOUT_SECONDS = (\d+)$", (ROOT / "deploy" / "probe.py").read_text(), re.MULTILINE)
    assert timedelta(seconds=int(own)) < timedelta(seconds=int(seconds))
