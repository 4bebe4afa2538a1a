"""Checks this machine's clock: with a slow one the rater would refuse a morning's good events, one by one.

A record that its publisher stamped ahead of our clock counts as come now. If its event occurred more than an hour later than
that, it is refused. The publisher's clock may be ahead or ours behind; the records do not show which. So in this case, and only
then, the rater asks a third clock, that of the schema registry. If ours is behind, the rater ends before it refuses anything.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from kafka_io.errors import UserError
from streams.events.record_times import RecordTimes

logger = logging.getLogger(__name__)

_MICROSECOND = timedelta(microseconds=1)
_ASK_AGAIN_SECONDS = 60.0
# The registry's clock has whole seconds, and its answer may be slow: less than this is not worth a log line.
_WORTH_LOGGING = timedelta(seconds=30)


class ClockBehindError(UserError):
    """This machine's clock is behind. The message says by how much, and what to do."""


class ClockWatch:
    """`now_micros`: this machine's clock. `max_ahead`: how far events may occur after their records. `behind`: how far this
    machine's clock is behind another one that is not a publisher's, None where that is not known; may raise an outage."""

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
        """Log what is wrong with a clock, once a minute at most. Call it before any of these records is refused.

        Raises ClockBehindError, and what `behind` raises.
        """
        publishers_ahead, brokers_ahead = times.publishers_ahead * _MICROSECOND, times.brokers_ahead * _MICROSECOND
        now_seconds = self._monotonic_seconds()
        if publishers_ahead > self._max_ahead:
            # Another clock is asked before anything is refused, even if a line was logged a moment ago.
            if now_seconds - self._asked_at_seconds >= _ASK_AGAIN_SECONDS:
                self._ask_another_clock(publishers_ahead)
                self._asked_at_seconds = now_seconds
        elif max(publishers_ahead, brokers_ahead) > _WORTH_LOGGING and (
            now_seconds - self._said_at_seconds >= _ASK_AGAIN_SECONDS
        ):
            self._said_at_seconds = now_seconds
            self._say(publishers_ahead, brokers_ahead)

    def _say(self, publishers_ahead: timedelta, brokers_ahead: timedelta) -> None:
        if brokers_ahead > _WORTH_LOGGING:
            logger.error(
                "this machine's clock is %s behind Kafka's, or a broker's is ahead: Kafka's is believed; set the clocks",
                _plain(brokers_ahead),
            )
        else:
            logger.warning("publishers stamp records up to %s ahead of this machine's clock", _plain(publishers_ahead))

    def _ask_another_clock(self, ahead: timedelta) -> None:
        behind = self._behind()
        if behind is not None and behind > _WORTH_LOGGING:
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
