"""One child process: what to run, whether it is ready, where it writes, and how it ends."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from credit_movements.supervision.launch import tethered
from kafka_io.errors import UserError

_POLL_SECONDS = 0.05
_OLD_LOG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Service:
    """A process to keep running. `environment` is added to this process's own; a variable of None is taken out.

    `ready` is asked again and again until it says True; it must answer within a second or so, and must not raise
    because the process is not there yet. `restart` says whether the process may be started again after it died: not
    if what it held in memory is lost with it. `stop_seconds` is how long it may take to end after SIGTERM; 0 means
    that it has nothing to finish and is ended with SIGKILL at once.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    restart: bool = True
    stop_seconds: float = 5.0
    ready_seconds: float = 30.0


class ServiceFailedError(UserError):
    """A service did not become ready, or died and cannot be started again: a text for a person, with the end of the
    service's log after its first line."""


class Child:
    """A running service, in a session of its own: a Ctrl-C in the terminal reaches only the process that started it.

    What it writes on stdout and stderr is appended to `<log_dir>/<name>.log`. It dies with this process; make it in a
    thread that lives as long as the process (see `tethered`).
    """

    def __init__(self, service: Service, log_dir: Path) -> None:
        self.service = service
        self.log_path = log_dir / f"{service.name}.log"
        self.started_at_seconds = time.monotonic()
        log_dir.mkdir(parents=True, exist_ok=True)
        _put_old_log_aside(self.log_path)
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._begun(_environment(service.environment), log)

    def _begun(self, environment: dict[str, str], log: BinaryIO) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            tethered(self.service.command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def is_ready(self) -> bool:
        """Whether it is ready now. Raises ServiceFailedError if it has ended, or has had its time."""
        name, seconds = self.service.name, self.service.ready_seconds
        if self.exit_status is not None:
            raise self.failure(f"{name} ended before it was ready ({self.how_it_ended()})")
        if self.service.ready():
            return True
        if time.monotonic() - self.started_at_seconds > seconds:
            raise self.failure(f"{name} was not ready within {seconds:g} s")
        return False

    def wait_until_ready(self) -> None:
        """Raises ServiceFailedError."""
        while not self.is_ready():
            time.sleep(_POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """Sends SIGTERM, or SIGKILL to a service that has nothing to finish."""
        self._process.send_signal(signal.SIGTERM if self.service.stop_seconds > 0 else signal.SIGKILL)

    def wait_or_kill(self, seconds: float) -> bool:
        """Waits for the end; after `seconds` ends it with SIGKILL and says False."""
        try:
            self._process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True

    def how_it_ended(self) -> str:
        """`exit status 1`, `signal SIGKILL`, ..."""
        status = self.exit_status
        if status is None:
            return "still running"
        return f"exit status {status}" if status >= 0 else f"signal {_signal_name(-status)}"

    def failure(self, what: str) -> ServiceFailedError:
        """An error that says `what` happened, with the end of the service's log."""
        lines = self.last_lines()
        if not lines:
            return ServiceFailedError(f"{what}; its log {self.log_path} is empty")
        return ServiceFailedError("\n  | ".join([f"{what}. The end of {self.log_path}:", *lines]))

    def log_text(self) -> str:
        """All that it wrote since it was started."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def last_lines(self, count: int = 10) -> list[str]:
        """The end of what it wrote since it was started."""
        with self.log_path.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - 8192))
            return log.read().decode(errors="replace").splitlines()[-count:]


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**os.environ, **changes}.items() if value is not None}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _put_old_log_aside(path: Path) -> None:
    """Keeps one former log, so that a stack that is started again and again does not fill the disk."""
    if path.exists() and path.stat().st_size > _OLD_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))


@contextmanager
def running(service: Service, log_dir: Path) -> Iterator[Child]:
    """The service, started and ready, for the length of a `with` block. Raises ServiceFailedError."""
    child = Child(service, log_dir)
    try:
        child.wait_until_ready()
        yield child
    finally:
        child.ask_to_stop()
        child.wait_or_kill(service.stop_seconds)
