"""Whether this machine's clock can be believed: a slow one would have a morning's events refused, one by one.

A record that its publisher stamped ahead of our clock counts as come now, so an event that occurred an hour later than that is
refused. The publisher's clock may be ahead, or ours behind: the records do not tell. So a third clock is asked, that of the
schema registry, and only then: where it says that ours is behind, nothing is refused by it and the rater ends.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from kafka_io.errors import UserError
from streams.events.record_times import RecordTimes

logger = logging.getLogger(__name__)

_MICROSECOND = timedelta(microseconds=1)
_ASK_AGAIN_SECONDS = 60.0
# A clock of whole seconds and a slow answer are no fault.
_WORTH_A_WORD = timedelta(seconds=30)


class ClockBehindError(UserError):
    """This machine's clock is behind: one line that says by how much, and what would do."""


class ClockWatch:
    """`now_micros`: this machine's clock. `max_ahead`: how far events may occur after their records. `behind`: how far this
    machine's clock is behind another one that is not a publisher's, None where there is no telling; may raise an outage."""

    def __init__(
        self,
        now_micros: Callable[[], int],
        monotonic_seconds: Callable[[], float],
        max_ahead: timedelta,
        behind: Callable[[], timedelta | None],
    ) -> None:
        self.now_micros = now_micros
        self._monotonic_seconds = monotonic_seconds
        self._max_ahead = max_ahead
        self._behind = behind
        self._asked_at_seconds = self._said_at_seconds = -_ASK_AGAIN_SECONDS

    def watch(self, times: RecordTimes) -> None:
        """Say what is wrong with somebody's clock, once a minute at most. To be called before any of these records is refused.

        Raises ClockBehindError, and what `behind` raises.
        """
        publishers_ahead, brokers_ahead = times.publishers_ahead * _MICROSECOND, times.brokers_ahead * _MICROSECOND
        now_seconds = self._monotonic_seconds()
        if publishers_ahead > self._max_ahead:
            # Whatever was said a moment ago, of the other topic maybe: nothing is refused before another clock was asked.
            if now_seconds - self._asked_at_seconds >= _ASK_AGAIN_SECONDS:
                self._ask_another_clock(publishers_ahead)
                self._asked_at_seconds = now_seconds
        elif max(publishers_ahead, brokers_ahead) > _WORTH_A_WORD and (
            now_seconds - self._said_at_seconds >= _ASK_AGAIN_SECONDS
        ):
            self._said_at_seconds = now_seconds
            self._say(publishers_ahead, brokers_ahead)

    def _say(self, publishers_ahead: timedelta, brokers_ahead: timedelta) -> None:
        if brokers_ahead > _WORTH_A_WORD:
            logger.error(
                "this machine's clock is %s behind Kafka's, or a broker's is ahead: Kafka's is believed; set the clocks",
                _plain(brokers_ahead),
            )
        else:
            logger.warning("publishers stamp records up to %s ahead of this machine's clock", _plain(publishers_ahead))

    def _ask_another_clock(self, ahead: timedelta) -> None:
        behind = self._behind()
        if behind is not None and behind > _WORTH_A_WORD:
            raise ClockBehindError(
                f"this machine's clock is {_plain(behind)} behind the schema registry's, and records come up to"
                f" {_plain(ahead)} ahead of it: events that are in order would be refused. Set the clock, then start again"
            )
        logger.error(
            "publishers stamp records up to %s ahead of this machine's clock, which %s: they count as come now, and events that"
            " occurred later than %s from now are refused",
            _plain(ahead),
            "cannot be held against another" if behind is None else "the schema registry's confirms",
            _plain(self._max_ahead),
        )


def _plain(span: timedelta) -> str:
    return str(timedelta(seconds=round(span.total_seconds())))
