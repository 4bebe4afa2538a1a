"""docker-compose.yml gives nobody more than he needs: no root, no root file system to write to, limits, secrets as files."""

import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deployment.compose import (
    COMPOSE,
    OURS,
    ROOT,
    SECRETS,
    SERVICES,
    environment,
    make_secrets,
)

# Those of other people whose images are known to run with a root that cannot be written: docs/production/kubernetes.md.
READ_ONLY_SERVERS = {"bucket", "prometheus", "grafana", "mailpit"}
MIB = {"m": 1, "g": 1024}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that deploy/make-secrets.sh has made."""
    folder = tmp_path_factory.mktemp("run") / "secrets"
    make_secrets(folder)
    return folder


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_is_root_and_nobody_can_become_it(service: str) -> None:
    given = SERVICES[service]
    assert given["user"].split(":")[0] not in {"0", "root"}
    assert given["cap_drop"] == ["ALL"]
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in given


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_its_limits(service: str) -> None:
    given = SERVICES[service]
    assert 0 < given["pids_limit"] <= 4096
    assert 0 < mebibytes(given["mem_limit"]) <= 4096
    for folder in given.get("tmpfs", []):
        (size,) = re.findall(r"size=(\w+)", folder)
        assert mebibytes(size) < mebibytes(given["mem_limit"])


def mebibytes(limit: str) -> int:
    return int(limit[:-1]) * MIB[limit[-1]]


def test_the_broker_has_room_beside_its_heap() -> None:
    (most,) = re.findall(r"-Xmx(\w+)", environment("kafka")["KAFKA_HEAP_OPTS"])
    assert mebibytes(most) * 2 <= mebibytes(SERVICES["kafka"]["mem_limit"])


def test_ours_and_those_that_are_known_to_can_have_a_root_that_nobody_writes() -> None:
    read_only = {name for name, service in SERVICES.items() if service.get("read_only")}
    assert read_only == {*OURS, *READ_ONLY_SERVERS}
    for name in read_only:
        assert any(folder.startswith("/tmp:") for folder in SERVICES[name]["tmpfs"]), name


@pytest.mark.parametrize("service", SERVICES)
def test_a_secret_is_a_file_that_the_service_asks_for(service: str) -> None:
    """Neither in the file nor in what `docker inspect` shows of a container."""
    given = SERVICES[service]
    values = [*given.get("environment", {}).values(), *given.get("entrypoint", []), *given.get("command", [])]
    read = {name for value in values for name in re.findall(r"/run/secrets/([\w-]+)", value)}
    assert read == set(given.get("secrets", []))
    for name, value in given.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|DSN", name):
            assert name.endswith("_FILE"), name
            assert value.startswith("/run/secrets/"), name


def test_the_secrets_are_made_once_and_each_is_another(secrets: Path) -> None:
    made = {path.name: path.read_text() for path in secrets.iterdir()}
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in made}
    assert len(set(made.values())) == len(made)
    assert all(len(text.encode()) >= 64 for text in made.values())
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o444}
    assert make_secrets(secrets) == ""
    assert {path.name: path.read_text() for path in secrets.iterdir()} == made


def test_git_takes_neither_the_secrets_nor_what_is_changed_of_the_settings() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {".env", "secrets/"} <= set(ignored)
    example = set(re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    texts = re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())
    assert example == set(texts) - {"CREDIT_LOG_LEVEL"}


@pytest.mark.parametrize("service", ["rater", "exporter"])
def test_the_key_of_the_storage_comes_from_its_file_and_a_missing_file_ends_the_start(
    service: str, secrets: Path, tmp_path: Path
) -> None:
    shell, options, script, *rest = SERVICES[service]["entrypoint"]
    worker = tmp_path / "credit-movements"
    worker.write_text('#!/bin/sh\necho "$AWS_SECRET_ACCESS_KEY $*"\n')
    worker.chmod(0o755)

    def started(folder: Path) -> subprocess.CompletedProcess[str]:
        text = script.replace("$$", "$").replace(str(SECRETS), str(folder))
        command = [shell, options, text, *rest, *SERVICES[service]["command"]]
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(command, env=path, capture_output=True, text=True, timeout=30)

    expected = f"{(secrets / 'storage-secret-key').read_text()} {SERVICES[service]['command'][0]}\n"
    assert started(secrets).stdout == expected
    assert started(tmp_path / "nothing").returncode != 0
