"""Workers as compose and Kubernetes confine them: no capability, and a root file system that nobody writes to."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from credit_movements.stack.servers import servers
from tests.acceptance.command import run
from tests.integration.stack import eventually
from tests.jars import not_tested_on

ROOT = Path(__file__).parents[3]
DATA = "/opt/data"
WORKERS = {
    "rate": "CREDIT_RATER_HTTP_PORT",
    "sink": "CREDIT_SINK_HTTP_PORT",
    "watch": "CREDIT_WATCH_HTTP_PORT",
    "export": "CREDIT_EXPORT_HTTP_PORT",
}
DECK = """\
rate_card_id,usage_type,destination_prefix,destination_name,unit,unit_size,initial_increment,increment,price,price_units,\
currency,effective_from,effective_to
default,call,4915,Germany mobile,seconds,1,30,6,0.20,60,EUR,2026-01-01T00:00:00Z,
"""
# What is mounted is seen by the worker alone. The checkout is bound to /mnt, since it may lie below /tmp.
CONFINED = f"""
mount --make-rprivate /
mount --bind {ROOT} /mnt
mount -t tmpfs -o mode=1777,size=64m tmpfs /tmp
mount -t tmpfs -o size=64m tmpfs /opt
mkdir {DATA}
mount -o remount,ro,bind /
cd /
exec setpriv --no-new-privs --bounding-set -all --inh-caps -all "$@"
"""
_END_SECONDS = 20.0

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module", autouse=True)
def _can_be_confined() -> None:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        not_tested_on("a read-only root", "mounting needs root, and util-linux's unshare and setpriv")


def confined(*command: str) -> list[str]:
    return ["unshare", "--mount", "/bin/sh", "-ec", CONFINED, "sh", *command]


def python() -> str:
    """Where the worker finds this Python."""
    executable = Path(sys.executable)
    return str(Path("/mnt", executable.relative_to(ROOT)) if executable.is_relative_to(ROOT) else executable)


@contextmanager
def worker(environment: Mapping[str, str], command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    seen = {**environment, "CREDIT_DATA_DIR": DATA, "PYTHONPATH": "/mnt", "PYTHONDONTWRITEBYTECODE": "1"}
    seen["CREDIT_EXPORT_STORAGE_URL"] = f"file://{DATA}/exports"
    line = confined(python(), "-m", "credit_movements", command)
    with log.open("wb") as written:
        process = subprocess.Popen(line, env={**os.environ, **seen}, stdout=written, stderr=written)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_END_SECONDS)


def is_ready(environment: Mapping[str, str], port: str) -> bool:
    """As the image's health check finds it."""
    ports = {**dict.fromkeys(WORKERS.values(), "1"), port: environment[port]}
    return subprocess.run([sys.executable, ROOT / "deploy/probe.py", "readyz"], env=ports, timeout=30).returncode == 0


def test_they_are_confined_indeed() -> None:
    for command in (["touch", "/somewhere"], ["mount", "-t", "tmpfs", "tmpfs", "/mnt"], ["chown", "1", "/tmp"]):
        assert subprocess.run(confined(*command), capture_output=True, timeout=30).returncode != 0, command
    assert subprocess.run(confined("touch", f"{DATA}/file", "/tmp/file"), timeout=30).returncode == 0


def test_setup_and_workers_need_nothing_but_their_data_folder_and_tmp(tmp_path: Path) -> None:
    with servers(tmp_path) as stack, ExitStack() as running:
        environment = stack.environment
        with worker(environment, "setup", tmp_path / "setup.log") as setup:
            assert setup.wait(120) == 0
        (tmp_path / "rates.csv").write_text(DECK)
        assert run("rates", "publish", str(tmp_path / "rates.csv"), **environment).returncode == 0
        started = [running.enter_context(worker(environment, each, tmp_path / f"{each}.log")) for each in WORKERS]
        for port in WORKERS.values():
            eventually(lambda port=port: is_ready(environment, port))  # type: ignore[misc]
        servers_of = ["--bootstrap-servers", environment["CREDIT_KAFKA_BOOTSTRAP_SERVERS"]]
        servers_of += ["--schema-registry", environment["CREDIT_SCHEMA_REGISTRY_URL"]]
        publish = [sys.executable, "examples/publish_events.py", "--account", "acme", "--top-up", "25", *servers_of]
        subprocess.run(publish, cwd=ROOT, check=True, capture_output=True, timeout=60)
        eventually(lambda: "25" in run("balance", "acme", **environment).stdout)
        asked = run("request-export", "acme", "--wait", **environment)
        assert "1 movement" in asked.stdout, asked.stderr
        for process in started:
            process.terminate()
        assert {process.wait(_END_SECONDS) for process in started} == {0}
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text()
        assert "Read-only" not in log.read_text()
