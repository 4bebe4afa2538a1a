"""Waits out an outage in asyncio: tries again after growing pauses, and logs a line a minute.

An outage is an error of the type `kafka_io.errors.Outage`. All other errors are bugs, and are raised at once. `Patience` of
`kafka_io.outages` does not serve here: it blocks a thread, and it never gives up.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from kafka_io.errors import Outage
from kafka_io.outages import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, SECONDS_BETWEEN_COMPLAINTS

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def waited_out(
    attempt: Callable[[], Awaitable[T]],
    what: str,
    *,
    within_seconds: float | None = None,
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
    quiet_seconds: float = 0.0,
) -> T:
    """The result of `attempt`, tried again while it meets an outage.

    Gives up `within_seconds` after the first failed attempt: then the next failure is raised. An attempt that works may take as
    long as it likes. Without `within_seconds` this goes on until it is cancelled. `what` says in the log what cannot be done;
    nothing is logged before `quiet_seconds` have passed.
    """
    outage = _Ongoing(what, within_seconds, quiet_seconds)
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Outage),
        wait=wait_random_exponential(FIRST_WAIT_SECONDS, longest_wait_seconds),
        stop=outage.has_lasted_too_long,
        before_sleep=outage.log,
        reraise=True,
    )

    async def attempted() -> T:
        return await attempt()

    return await retrying(attempted)


class _Ongoing:
    """An outage that began at the first failed attempt."""

    def __init__(self, what: str, within_seconds: float | None, quiet_seconds: float) -> None:
        self._what = what
        self._within_seconds = within_seconds
        self._began_at_seconds: float | None = None
        self._log_at_seconds = quiet_seconds

    def has_lasted_too_long(self, _: RetryCallState) -> bool:
        return self._within_seconds is not None and self._seconds() >= self._within_seconds

    def log(self, state: RetryCallState) -> None:
        lasted_seconds = self._seconds()
        if lasted_seconds >= self._log_at_seconds:
            self._log_at_seconds = lasted_seconds + SECONDS_BETWEEN_COMPLAINTS
            error = state.outcome.exception() if state.outcome is not None else None
            logger.warning("%s for %.0f s: %s; trying again", self._what, lasted_seconds, error)

    def _seconds(self) -> float:
        now_seconds = time.monotonic()
        if self._began_at_seconds is None:
            self._began_at_seconds = now_seconds
        return now_seconds - self._began_at_seconds
