"""The restart policy of one service: after each death it waits longer before it starts the service again."""

import logging
import time
from pathlib import Path

from credit_movements.supervision.processes import Child, Service

logger = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 15.0
_STEADY_SECONDS = 60.0


class RestartPolicy:
    """A service from its first start to its end. Make it, and call its methods, in the main thread (see `tethered`)."""

    def __init__(self, service: Service, log_dir: Path) -> None:
        self.service = service
        self._log_dir = log_dir
        self._delay_seconds = FIRST_DELAY_SECONDS
        self._start_again_at_seconds: float | None = None
        self._was_ready = False
        self._start()

    def is_ready(self) -> bool:
        """Whether the service has been ready once. Raises ServiceFailedError if it ended before, or took too long."""
        self._was_ready = self._was_ready or self._child.is_ready()
        return self._was_ready

    def look_after(self) -> None:
        """Starts the service again if it is time to. Raises ServiceFailedError if it died for good."""
        if not self._was_ready:
            return
        if self._start_again_at_seconds is not None:
            if time.monotonic() >= self._start_again_at_seconds:
                self._start_again_at_seconds = None
                self._start()
        elif self._child.exit_status is not None:
            self._plan_restart()

    def ask_to_stop(self) -> None:
        self._child.ask_to_stop()

    def has_ended(self) -> bool:
        return self._child.exit_status is not None

    def kill(self) -> None:
        """Ends the service with SIGKILL if it still runs, and logs that."""
        # A service that SIGKILL is meant to end needs an instant to be gone.
        is_killed_by_plan = self.service.stop_seconds == 0
        if not self._child.wait_or_kill(seconds=1.0 if is_killed_by_plan else 0):
            logger.warning("%s did not end in time and was killed", self.service.name)

    def _start(self) -> None:
        self._child = Child(self.service, self._log_dir)
        logger.info("%s: started (process %d)", self.service.name, self._child.process_id)

    def _plan_restart(self) -> None:
        name, end = self.service.name, self._child.how_it_ended()
        if not self.service.restart:
            raise self._child.failure(f"{name} died ({end}), and what it kept in memory is lost with it")
        now = time.monotonic()
        if now - self._child.started_at_seconds >= _STEADY_SECONDS:
            self._delay_seconds = FIRST_DELAY_SECONDS
        self._start_again_at_seconds = now + self._delay_seconds
        logger.warning(
            "%s died (%s) and is started again in %g s; see %s", name, end, self._delay_seconds, self._child.log_path
        )
        self._delay_seconds = min(2 * self._delay_seconds, MAX_DELAY_SECONDS)
