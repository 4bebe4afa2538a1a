"""What a store that has lost its past must read of the log: the movements of events that may still come again.

An event is accepted if it occurred at most `max_age` before the newest record of its topic's partition, which the committed
offsets remember. So a store needs the movements of events that occurred since then, and may forget all others.

Kafka can be asked for the first record written since a time, not for the first event. The notes of committed offsets bridge
that gap: they say how far the times of the log lie behind those of its events at most (`log_behind`), be it that events may
occur after their records, or that a rater's clock was wrong when it wrote. It is measured on the movements themselves, so no
setting of yesterday and no clock has to be believed. Where a note does not say it, the whole log is read.

The margin is for what happens between measuring and writing: the rater looks at its clock, then the client stamps the record. A
day is much longer than any step of a clock that is kept in order, and costs a 35th more reading.
"""

from dataclasses import dataclass
from datetime import timedelta

MARGIN = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Needed:
    """The movements that a store needs: of events that occurred at `occurred_since` or later. All of them were written at
    `written_since` or later. Both in microseconds."""

    occurred_since: int
    written_since: int

    @classmethod
    def of(cls, newest_at: int, max_age: timedelta, log_behind: int) -> "Needed":
        """`newest_at`: the time of the older of the newest records of usage events and top-ups; `log_behind`: see above."""
        occurred_since = newest_at - max_age // _MICROSECOND
        return cls(occurred_since, occurred_since - log_behind - MARGIN // _MICROSECOND)
