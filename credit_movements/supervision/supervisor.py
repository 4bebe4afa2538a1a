"""Starts the processes of `up` and `demo` in their order, keeps them running, and ends them all.

1. Stage after stage: all services of a stage are started, then waited for. A stage is ready when each of them is.
2. While all run, a service that died is started again; one that cannot be (its data were in memory) ends everything.
3. At the end (a signal, an event, a failure) what was started before a task ends after what was started behind it, so that a
   worker can finish with the servers still there. All that has no task between it ends at the same time. What does not end
   in time is killed; all of it takes `STOP_SECONDS` at most. A second signal kills at once.

The services die with this process, even if it is killed with SIGKILL (Linux).
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from credit_movements.supervision.log_tail import LineSink, LogTail
from credit_movements.supervision.processes import Service, ServiceFailedError
from credit_movements.supervision.restarts import RestartPolicy

STOP_SECONDS = 12.0
_POLL_SECONDS = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Task:
    """Work to be done once between two stages, in a thread of its own. What it raises ends everything and is raised
    by `Supervisor.run`. A signal abandons it; it must not start processes that are to last."""

    name: str
    run: Callable[[], None]


Stage = Sequence[Service] | Task


class Supervisor:
    """`stages` in the order of their start; services of one stage start side by side. `log_dir` gets `<name>.log` of
    each; `on_line`, if given, gets every line that is written there from now on."""

    def __init__(self, stages: Sequence[Stage], log_dir: Path, on_line: LineSink | None = None) -> None:
        self._stages = stages
        self._log_dir = log_dir
        # Those that end together: a task begins the next ones.
        self._started: list[list[RestartPolicy]] = [[]]
        self._hurry = False
        names = [service.name for stage in stages if not isinstance(stage, Task) for service in stage]
        self._tails = [LogTail(name, log_dir / f"{name}.log", on_line) for name in names] if on_line else []

    def run(self, until: threading.Event | None = None, on_ready: Callable[[], None] | None = None) -> None:
        """Starts everything, calls `on_ready` (which should be quick), and returns when `until` is set or SIGINT,
        SIGTERM or SIGHUP came, with all services ended. To be called in the main thread.

        Raises ServiceFailedError when a service did not become ready or died for good, and what a Task raised.
        """
        end = until or threading.Event()
        with self._ended_by_signals(end):
            try:
                if self._start_all(end):
                    if on_ready is not None:
                        on_ready()
                    while not end.wait(_POLL_SECONDS):
                        self._look_after()
            finally:
                self._stop_all()

    def _start_all(self, end: threading.Event) -> bool:
        """False if the end came first."""
        try:
            for stage in self._stages:
                if isinstance(stage, Task):
                    self._started.append([])
                for _ in _doing(stage) if isinstance(stage, Task) else self._starting(stage):
                    if end.wait(_POLL_SECONDS):
                        return False
                    self._look_after()
        except ServiceFailedError:
            # A Ctrl-C reaches a process, too, that has been forked and has no session of its own yet.
            if end.wait(_POLL_SECONDS):
                return False
            raise
        return not end.is_set()

    def _starting(self, services: Sequence[Service]) -> Iterator[None]:
        """Yields until all services of the stage are ready."""
        policies: list[RestartPolicy] = []
        for service in services:
            policies.append(RestartPolicy(service, self._log_dir))
            self._started[-1].append(policies[-1])
        while [policy for policy in policies if not policy.is_ready()]:
            yield

    def _look_after(self) -> None:
        for tail in self._tails:
            tail.read()
        for policies in self._started:
            for policy in policies:
                policy.look_after()

    def _stop_all(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for policies in reversed(self._started):
            self._stop_together(policies, deadline)
        for tail in self._tails:
            tail.read()

    def _stop_together(self, policies: Sequence[RestartPolicy], deadline: float) -> None:
        began = time.monotonic()
        for policy in policies:
            policy.ask_to_stop()
        for policy in policies:
            own_deadline = min(began + policy.service.stop_seconds, deadline)
            while not policy.has_ended() and time.monotonic() < own_deadline and not self._hurry:
                time.sleep(_POLL_SECONDS)
            policy.kill()

    @contextmanager
    def _ended_by_signals(self, end: threading.Event) -> Iterator[None]:
        def note(number: int, frame: FrameType | None) -> None:
            self._hurry = end.is_set()
            end.set()

        former = {number: signal.signal(number, note) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def _doing(task: Task) -> Iterator[None]:
    """Yields until the task is done; raises what it raised."""
    outcome: Future[None] = Future()
    # A daemon, so that the process can end while a task still runs.
    threading.Thread(target=_do, args=(task, outcome), name=task.name, daemon=True).start()
    while not outcome.done():
        yield
    outcome.result()


def _do(task: Task, outcome: "Future[None]") -> None:
    try:
        task.run()
    except BaseException as error:  # Raised again in the supervisor's thread.
        outcome.set_exception(error)
    else:
        outcome.set_result(None)
