"""An outage is waited out: bounded back-off for ever, a log line a minute at most, and an ear for the stop signal."""

import logging
from collections.abc import Callable
from threading import Event
from typing import Final, TypeVar

from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception, stop_when_event_set
from tenacity.nap import sleep_using_event
from tenacity.wait import wait_exponential_jitter

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 30.0
SECONDS_BETWEEN_COMPLAINTS: Final = 60.0

Result = TypeVar("Result")
MonotonicSeconds = Callable[[], float]


class StoppedWaitingError(Exception):
    """The stop signal came while something was still down; what was tried may or may not have happened."""


class Complaints:
    """What is down, said when it begins, once a minute while it lasts, and when it is over."""

    def __init__(self, monotonic_seconds: MonotonicSeconds) -> None:
        self._now = monotonic_seconds
        self._since: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._texts: dict[str, str] = {}

    @property
    def open(self) -> dict[str, str]:
        """What is down now → what it says."""
        return dict(self._texts)

    def complain(self, about: str, text: str) -> None:
        now = self._now()
        since = self._since.setdefault(about, now)
        self._texts[about] = text
        if about not in self._said or now - self._said[about] >= SECONDS_BETWEEN_COMPLAINTS:
            self._said[about] = now
            logger.warning("waiting for %s since %.0f s, trying again: %s", about, now - since, text)

    def settle(self, about: str) -> None:
        if about in self._texts:
            logger.info("%s is back after %.0f s", about, self._now() - self._since[about])
            for each in (self._since, self._said, self._texts):
                each.pop(about, None)


class Patience:
    """Tries again until it works or the stop signal comes."""

    def __init__(self, stop: Event, complaints: Complaints, on_retry: Callable[[str], None]) -> None:
        self._stop = stop
        self._complaints = complaints
        self._on_retry = on_retry

    def outlast(
        self,
        about: str,
        attempt: Callable[[], Result],
        is_outage: Callable[[BaseException], bool],
        explain: Callable[[BaseException], str] = str,
    ) -> Result:
        """What `attempt` returns in the end. Raises at once what is no outage, StoppedWaitingError at a stop signal."""

        def note(state: RetryCallState) -> None:
            if state.outcome is not None and (error := state.outcome.exception()) is not None:
                self._on_retry(about)
                self._complaints.complain(about, explain(error))

        retrying = Retrying(
            retry=retry_if_exception(is_outage),
            wait=wait_exponential_jitter(
                multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS, jitter=FIRST_WAIT_SECONDS
            ),
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            before_sleep=note,
        )
        try:
            result = retrying(attempt)
        except RetryError as error:
            raise StoppedWaitingError(f"stopped while waiting for {about}") from error
        self._complaints.settle(about)
        return result
