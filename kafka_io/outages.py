"""Waits out an outage: tries again after growing pauses, for ever, logs a line a minute, and ends at once at a stop signal.

The type of an error says whether it is an outage (`is_outage`). `Patience` is for threads. The exporter waits in asyncio, in a
loop of its own, and shares the figures.
"""

import logging
from collections.abc import Callable
from threading import Event
from typing import Final, TypeVar

from confluent_kafka import KafkaException
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception, stop_when_event_set
from tenacity.nap import sleep_using_event
from tenacity.wait import wait_exponential_jitter

from kafka_io.access.refusals import told
from kafka_io.errors import Outage

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 15.0
SECONDS_BETWEEN_COMPLAINTS: Final = 60.0

Result = TypeVar("Result")
MonotonicSeconds = Callable[[], float]
IsOutage = Callable[[BaseException], bool]


class StoppedWaitingError(Exception):
    """The stop signal came during an outage. What was tried may or may not have happened."""


def is_outage(error: BaseException) -> bool:
    """Whether to wait and try again: for our own outages, and for Kafka errors that are not fatal."""
    return isinstance(error, Outage) or (isinstance(error, KafkaException) and not error.args[0].fatal())


def _explained(error: BaseException) -> str:
    return told(error.args[0]) if isinstance(error, KafkaException) else str(error)


class Complaints:
    """Says what is down: when it begins, once a minute while it lasts, and when it is over."""

    def __init__(self, monotonic_seconds: MonotonicSeconds) -> None:
        self._now = monotonic_seconds
        self._since: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._texts: dict[str, str] = {}

    @property
    def open(self) -> dict[str, str]:
        """What is down now → its error."""
        return dict(self._texts)

    def __str__(self) -> str:
        """All that is open, in one line."""
        return "; ".join(f"{about}: {text}" for about, text in self.open.items())

    def complain(self, about: str, text: str) -> None:
        now = self._now()
        since = self._since.setdefault(about, now)
        self._texts[about] = text
        if about not in self._said or now - self._said[about] >= SECONDS_BETWEEN_COMPLAINTS:
            self._said[about] = now
            logger.warning("waiting for %s since %.0f s, trying again: %s", about, now - since, text)

    def withdraw(self, about: str) -> None:
        """It works again."""
        if about in self._texts:
            logger.info("%s is back after %.0f s", about, self._now() - self._since[about])
            self.forget(about)

    def forget(self, about: str) -> None:
        """It is no business of ours any more, whether it works or not."""
        for each in (self._since, self._said, self._texts):
            each.pop(about, None)


class Patience:
    """Tries again until it works or the stop signal comes. `on_retry` is called after each failed try."""

    def __init__(self, stop: Event, complaints: Complaints, on_retry: Callable[[str], None] = lambda _: None) -> None:
        self.stop = stop
        self._complaints = complaints
        self._on_retry = on_retry

    def outlast(
        self,
        about: str,
        attempt: Callable[[], Result],
        is_outage: IsOutage = is_outage,
        explain: Callable[[BaseException], str] = _explained,
    ) -> Result:
        """Returns what `attempt` returns. Raises at once what is no outage, and StoppedWaitingError at a stop signal."""

        def note(state: RetryCallState) -> None:
            if state.outcome is not None and (error := state.outcome.exception()) is not None:
                self._on_retry(about)
                self._complaints.complain(about, explain(error))

        retrying = Retrying(
            retry=retry_if_exception(is_outage),
            wait=wait_exponential_jitter(
                multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS, jitter=FIRST_WAIT_SECONDS
            ),
            stop=stop_when_event_set(self.stop),
            sleep=sleep_using_event(self.stop),
            before_sleep=note,
        )
        try:
            result = retrying(attempt)
        except RetryError as error:
            raise StoppedWaitingError(f"stopped while waiting for {about}") from error
        self._complaints.withdraw(about)
        return result
