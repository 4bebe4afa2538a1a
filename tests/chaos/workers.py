"""Raters, sinks and exporters as `credit-movements rate|sink|export` runs them, each a process to be killed."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from credit_movements.settings import Settings
from credit_movements.supervision.processes import Child, Service
from tests.environment import environment_of

STOP_SECONDS = 15.0
# What a worker logs when it has got partitions.
_AT_WORK = {
    "rate": "rating partitions [",
    "sink": "reading credit-movements, partitions [",
    "export": "reading export-requests, partitions [",
}


def with_code_of(folder: Path) -> dict[str, str]:
    """The variables by which Python takes our packages from another folder, and not from the one that it is started in."""
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


class Worker:
    """One kind of worker: `command` is rate, sink or export. It is started, killed and started again."""

    def __init__(self, command: str, settings: Settings, log_dir: Path, name: str | None = None) -> None:
        self.command = command
        self._settings = settings
        self._log_dir = log_dir
        self._name = name or command
        self._child: Child | None = None
        self._is_over = False
        # The lines with which it ended.
        self.gave_up: list[str] = []

    def start(
        self, program: Sequence[str] = ("credit_movements",), code: Path | None = None, begin: type[Child] = Child
    ) -> None:
        """`program`: a module and its first arguments, before the command. `code`: where our packages are, if not here."""
        command = (sys.executable, "-m", *program, self.command)
        self._is_over = False
        environment = {**environment_of(self._settings), **({} if code is None else with_code_of(code))}
        self._child = begin(Service(self._name, command, environment), self._log_dir)

    @property
    def is_started(self) -> bool:
        return self._child is not None

    @property
    def child(self) -> Child:
        assert self._child is not None
        return self._child

    def kill(self) -> bool:
        """SIGKILL. Says whether it had got to work. It must not have ended by itself before."""
        was_at_work = self.was_at_work()
        assert self.child.exit_status is None, self.log()
        os.kill(self.child.process_id, signal.SIGKILL)
        self.child.wait_or_kill(STOP_SECONDS)
        return was_at_work

    def start_again_if_it_gave_up(self) -> None:
        """As whatever keeps it running would. It may give up on Kafka, in one line, but never crash."""
        if self._child is not None and not self._is_over and self._child.exit_status is not None:
            assert "credit-movements: Kafka: " in self._child.last_lines(1)[0], self.log()
            self.gave_up += self.child.last_lines(1)
            self.start()

    def see_killed(self, seconds: float) -> None:
        """Wait until it was killed at a step (see `killed_at`), and leave it so."""
        self._is_over = True
        self.child.wait_or_kill(seconds)
        assert self.child.how_it_ended() == "signal SIGKILL", self.log()
        # A SIGKILL may also come from us, who waited too long, or from a machine without memory.
        assert "KILLED AT ITS STEP" in self.log(), self.log()

    def stop(self) -> None:
        """SIGTERM; it must end well, and in time."""
        self._is_over = True
        self.child.ask_to_stop()
        assert self.child.wait_or_kill(STOP_SECONDS), f"{self._name} did not end: {self.log()}"
        assert self.child.exit_status == 0, self.log()

    def end(self) -> None:
        """However it stands."""
        if self._child is not None:
            self._child.wait_or_kill(0.0)

    def was_at_work(self) -> bool:
        """Whether the running one has got its partitions."""
        lines = self.child.log_text().splitlines()
        return any(_AT_WORK[self.command] in line and "[]" not in line for line in lines)

    def log(self) -> str:
        return "\n".join(self.child.last_lines(60))
