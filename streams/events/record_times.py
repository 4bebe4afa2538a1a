"""When records came, by Kafka's timestamps. A publisher's timestamp is bounded by our clock, a broker's is believed.

Kafka's timestamp of a record is the publisher's, unless the topic has LogAppendTime; the message says which. A publisher's
clock may be years ahead, so its timestamp counts as the reader's clock at most. A broker's timestamp counts as it is, so that a
slow clock of ours refuses no event.
"""

from dataclasses import dataclass
from itertools import chain

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_NOT_AVAILABLE

from streams.events.sorted_keys import Ints

_MICROS_PER_MILLI = 1000
# Later than any timestamp, with room to add to it. A reader without a clock uses it, and so bounds nothing.
END_OF_TIME_MICROS = 2**62
# A record's `timestamp()`: its kind, and milliseconds.
Stamp = tuple[int, int]


@dataclass(frozen=True)
class RecordTimes:
    """`recorded_at`: one a record, in microseconds. `publishers_ahead` and `brokers_ahead`: how far the furthest timestamp lies
    ahead of the reader's clock (0: none does), among those of publishers (which are bounded) and among those of brokers."""

    recorded_at: Ints
    publishers_ahead: int
    brokers_ahead: int


def record_times(stamps: list[Stamp], now_micros: int = END_OF_TIME_MICROS) -> RecordTimes:
    """The times of records by their stamps. `now_micros`: the reader's clock after they came."""
    kinds, millis = np.fromiter(chain.from_iterable(stamps), dtype=np.int64, count=2 * len(stamps)).reshape(-1, 2).T
    stamped_at = np.clip(millis, -1, END_OF_TIME_MICROS // _MICROS_PER_MILLI) * _MICROS_PER_MILLI
    stamped_at[kinds == TIMESTAMP_NOT_AVAILABLE] = now_micros
    is_brokers = kinds == TIMESTAMP_LOG_APPEND_TIME
    ahead = np.maximum(stamped_at - now_micros, 0)
    return RecordTimes(
        recorded_at=np.where(is_brokers, stamped_at, np.minimum(stamped_at, now_micros)),
        publishers_ahead=int(ahead[~is_brokers].max(initial=0)),
        brokers_ahead=int(ahead[is_brokers].max(initial=0)),
    )
