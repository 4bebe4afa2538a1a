"""Small workers that note in a journal when they began and how they ended, and supervisors of them."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from credit_movements.supervision.processes import Service
from credit_movements.supervision.supervisor import Supervisor

# A worker: notes in `journal` when it began and how it ended, and ends at SIGTERM after `seconds`.
WORKER = """
import os, signal, sys, time
journal, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
def note(what):
    with open(journal, "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def end(*_):
    note("asked")
    time.sleep(seconds)
    note("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("began")
while True:
    time.sleep(60)
"""


class Journal:
    """What the workers of one test noted, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def notes(self) -> list[str]:
        return [f"{name} {what}" for name, what, _ in self.entries()]

    def process_id(self, name: str) -> int:
        """Of the latest process of that name."""
        return next(int(number) for who, what, number in reversed(self.entries()) if (who, what) == (name, "began"))

    def has(self, note: str, times: int = 1) -> bool:
        return self.notes().count(note) >= times

    def worker(self, name: str, seconds: float = 0, restart: bool = True, stop_seconds: float = 5) -> Service:
        return Service(
            name,
            (sys.executable, "-c", WORKER, str(self.path), name, str(seconds)),
            ready=lambda: self.has(f"{name} began"),
            restart=restart,
            stop_seconds=stop_seconds,
        )


@contextmanager
def while_running(supervisor: Supervisor, then: Callable[[], None]) -> Iterator[None]:
    """Runs `then` in a thread once all is ready, and ends the supervisor after it. The block is run at the end."""
    end = threading.Event()
    failures: list[BaseException] = []

    def act() -> None:
        try:
            then()
        except AssertionError as error:
            failures.append(error)
        finally:
            end.set()

    supervisor.run(end, on_ready=threading.Thread(target=act).start)
    assert failures == []
    yield


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def program(stages: str, journal: Journal, log_dir: Path) -> list[str]:
    """A process that supervises `stages` and says `ready`; for tests that send it signals."""
    script = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from credit_movements.supervision.processes import Service, ServiceFailedError\n"
        "from credit_movements.supervision.supervisor import Supervisor, Task\n"
        "from tests.integration.supervision.journal import Journal\n"
        f"journal = Journal(Path({str(journal.path)!r}))\n"
        "try:\n"
        f"    Supervisor({stages}, Path({str(log_dir)!r})).run(on_ready=lambda: print('ready', flush=True))\n"
        "except ServiceFailedError as error:\n"
        "    sys.exit(str(error))\n"
    )
    return [sys.executable, "-c", script]


@contextmanager
def supervising(stages: str, journal: Journal, log_dir: Path) -> Iterator[subprocess.Popen[str]]:
    command = program(stages, journal, log_dir)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
