"""When records came, by clocks that are believed no further than they are bounded.

Kafka's timestamp of a record is the publisher's own word, unless the topic has LogAppendTime: the message tells which. A
publisher's clock may be years ahead, so its timestamp counts as the reader's clock at most. A broker's counts as it is, so that
a slow clock of ours refuses nobody.
"""

from dataclasses import dataclass

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_NOT_AVAILABLE, Message

from streams.events.sorted_keys import Ints

_MICROS_PER_MILLI = 1000
# What no timestamp reaches, and what is left room for after it: a reader without a clock bounds nothing.
END_OF_TIME_MICROS = 2**62


@dataclass(frozen=True)
class RecordTimes:
    """`recorded_at` of each record, in microseconds. And how far the furthest lies ahead of the reader's clock, 0 if none does:
    `publishers_ahead` of those that publishers stamped (they are bounded), `brokers_ahead` of those that Kafka stamped."""

    recorded_at: Ints
    publishers_ahead: int
    brokers_ahead: int


def record_times(messages: list[Message], now_micros: int = END_OF_TIME_MICROS) -> RecordTimes:
    """The times of records without errors. `now_micros`: the reader's clock when they had come."""
    stamps = [message.timestamp() for message in messages]
    kinds = np.array([kind for kind, _ in stamps], dtype=np.int64)
    millis = np.array([millis for _, millis in stamps], dtype=np.int64)
    told = np.clip(millis, -1, END_OF_TIME_MICROS // _MICROS_PER_MILLI) * _MICROS_PER_MILLI
    told[kinds == TIMESTAMP_NOT_AVAILABLE] = now_micros
    is_brokers = kinds == TIMESTAMP_LOG_APPEND_TIME
    ahead = np.maximum(told - now_micros, 0)
    return RecordTimes(
        recorded_at=np.where(is_brokers, told, np.minimum(told, now_micros)),
        publishers_ahead=int(ahead[~is_brokers].max(initial=0)),
        brokers_ahead=int(ahead[is_brokers].max(initial=0)),
    )
