"""The command `credit-movements` as a person runs it: a process of its own, and what it prints."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tests.conftest import free_port
from tests.nursery import begun

COMMAND = (sys.executable, "-m", "credit_movements")
READY_SECONDS = 60.0
STOP_SECONDS = 15.0


def run(*arguments: str, seconds: float = 120.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with no settings but `environment`."""
    return subprocess.run(
        (*COMMAND, *arguments), capture_output=True, text=True, timeout=seconds, env=clean_environment(**environment)
    )


def run_forked(*arguments: str, seconds: float = 120.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same of a process that need not begin with Python: for tests of what a command does to servers."""
    with TemporaryFile() as out, TemporaryFile() as errors:
        process = begun("credit_movements", arguments, clean_environment(**environment), out, errors)
        try:
            status = process.wait(seconds)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(process.args, status, _text(out), _text(errors))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings, so that a developer's own do not change what is tested."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_")}
    return {**inherited, "COLUMNS": "200", **more}


@dataclass(frozen=True)
class RunningUp:
    """A `credit-movements up`: its process, folder and addresses."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    kafka: str
    registry: str
    pages: str
    clickhouse_port: int

    @contextmanager
    def held_up(self, worker: str) -> Iterator[None]:
        """`worker` (sink, say) does nothing for the length of a block."""
        process_id = self._process_id(worker)
        os.kill(process_id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process_id, signal.SIGCONT)

    def _process_id(self, worker: str) -> int:
        up = self.process.pid
        children = " ".join(each.read_text() for each in Path(f"/proc/{up}/task").glob("*/children")).split()
        (found,) = (
            each for each in children if worker in Path(f"/proc/{each}/cmdline").read_text().rstrip("\0").split("\0")
        )
        return int(found)

    def stop(self) -> tuple[int, float]:
        """SIGINT to the whole process group, as Ctrl-C does it: exit status, and how long it took."""
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(STOP_SECONDS), time.monotonic() - began


@contextmanager
def running_up(folder: Path) -> Iterator[RunningUp]:
    """An `up` on free ports, ready."""
    kafka, registry, pages, clickhouse = (free_port() for _ in range(4))
    ports = ("--kafka-port", kafka, "--registry-port", registry, "--http-port", pages, "--clickhouse-port", clickhouse)
    log = (folder.parent / f"{folder.name}.log").open("wb")
    process = subprocess.Popen(
        (*COMMAND, "up", "--data-dir", str(folder), *map(str, ports)),
        stdout=log, stderr=log, env=clean_environment(), start_new_session=True,
    )  # fmt: skip
    up = RunningUp(
        process, folder, f"127.0.0.1:{kafka}", f"http://127.0.0.1:{registry}", f"http://127.0.0.1:{pages}", clickhouse
    )
    try:
        wait_until_ready(f"{up.pages}/readyz", process)
        yield up
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.close()


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "up has ended"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"{url} was not ready within {READY_SECONDS:g} s")
