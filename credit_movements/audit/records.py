"""Records of one partition as columns, taken from messages a few at a time, while they are in the processor's cache."""

from dataclasses import dataclass, field
from operator import methodcaller

import numpy as np
from confluent_kafka import Message

from streams.events.sorted_keys import Ints

MOST_TOGETHER = 20_000
_VALUE, _OFFSET, _STAMP = methodcaller("value"), methodcaller("offset"), methodcaller("timestamp")
_MICROS_PER_MILLI = 1000


@dataclass
class Records:
    """One entry a record, in the order of the partition."""

    values: list[bytes | None] = field(default_factory=list)
    _offsets: list[int | None] = field(default_factory=list)
    _stamps: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def offsets(self) -> Ints:
        return np.array(self._offsets, dtype=np.int64)

    @property
    def times(self) -> Ints:
        """Kafka's time of each, microseconds. Only where they were added with their times."""
        return np.array([millis for _, millis in self._stamps], dtype=np.int64) * _MICROS_PER_MILLI

    def add(self, messages: list[Message], with_times: bool = False) -> None:
        self.values += map(_VALUE, messages)
        self._offsets += map(_OFFSET, messages)
        if with_times:
            self._stamps += map(_STAMP, messages)

    @classmethod
    def of(cls, messages: list[Message]) -> "Records":
        records = cls()
        records.add(messages, with_times=True)
        return records
