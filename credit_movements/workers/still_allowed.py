"""Whether Kafka still lets a worker in and allows it what it needs, asked while the worker runs.

Kafka's clients tell a refusal once, in their log, and then try again in silence; most name no topic. So whoever asks whether a
worker is ready gets Kafka's own answer, by the check that each worker does at its start.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from credit_movements.refusals import RefusedError
from credit_movements.settings import Settings
from credit_movements.setup.allowed import check_allowed
from credit_movements.unreachable import UnreachableError

# Each question is a connection of its own. A client that is told no waits longer before it tries again.
_SECONDS_BETWEEN: Final = 5.0
# Of who asks whether the worker is ready: probes are impatient, and the answer is there at the next one.
_WAIT_SECONDS: Final = 1.0


class StillAllowed:
    """`check` raises RefusedError with the reason, and UnreachableError where Kafka does not answer. It was asked just now.

    Any thread may call it; at most one question is under way.
    """

    def __init__(
        self, check: Callable[[], None], monotonic_seconds: Callable[[], float], wait_seconds: float = _WAIT_SECONDS
    ) -> None:
        self._check = check
        self._now = monotonic_seconds
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._asked_at_seconds = monotonic_seconds()
        self._asking: threading.Thread | None = None
        self._why_not: str | None = None

    def __call__(self) -> str | None:
        """Why this worker is refused, by an answer that is some seconds old at most; None if it is not, or not known."""
        with self._lock:
            if self._asking is None and self._now() - self._asked_at_seconds >= _SECONDS_BETWEEN:
                # A daemon: an answer that is late must not keep the worker from ending.
                self._asking = threading.Thread(target=self._ask, name="still allowed", daemon=True)
                self._asking.start()
            asking = self._asking
        if asking is not None:
            asking.join(self._wait_seconds)
        return self._why_not

    def _ask(self) -> None:
        try:
            self._check()
            self._why_not = None
        except RefusedError as refused:
            self._why_not = str(refused)
        except UnreachableError:
            # Of a refusal nothing is known then; the worker itself says what it waits for.
            self._why_not = None
        finally:
            with self._lock:
                self._asked_at_seconds = self._now()
                self._asking = None


def still_allowed(settings: Settings, user: str) -> StillAllowed:
    """Of a worker that was checked at its start. `user`: one of `acls.USERS`."""
    return StillAllowed(lambda: check_allowed(settings, user), time.monotonic)
