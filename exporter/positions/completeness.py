"""How far the ledger has come for the accounts of a partition: the time until which all events in Kafka are rated.

1. Take the time.
2. Ask how far the raters have committed in both source topics, and read the next record there. If there is none, all events
   that came before the time of step 1 are rated. If there is one, all events that came before it are rated.
3. Ask how far `credit-movements` is written, open transactions included: the movements of all rated events lie below that end.
   Kafka may show committed offsets before it has marked the movements of the same transaction as committed. So the caller has
   to wait until a `read_committed` reader comes to that end.

Where the answer would not be sure, the answer is None.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException

from exporter.foreign_outages import kafka_outages_named
from kafka_io.batches import consume
from kafka_io.offsets import ANSWER_SECONDS, assign, committed
from kafka_io.positions import TopicPartition
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS

_SOURCES: Final = (USAGE_EVENTS, TOP_UP_EVENTS)
_WAIT_SECONDS: Final = 0.5


class Rated(NamedTuple):
    """All events of a partition that reached Kafka before `until_micros` are rated (or refused), and their movements lie
    below `log_end_offset` of the same partition of `credit-movements`."""

    until_micros: int
    log_end_offset: int


class Completeness:
    """Answers how far the ledger has come.

    `reader` has `read_uncommitted` and `enable.partition.eof`, and nobody else uses it. `rater_member` has the raters'
    `group.id`, and is only asked for the committed offsets. `written_end` gives the end of a partition of `credit-movements`,
    open transactions included.
    """

    def __init__(
        self,
        reader: Consumer,
        rater_member: Consumer,
        written_end: Callable[[int], int],
        now_micros: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._rater_member = rater_member
        self._written_end = written_end
        self._now_micros = now_micros
        self._reading = threading.Lock()

    @kafka_outages_named()
    def rated_until(self, partition: int) -> Rated | None:
        """None where no answer is sure. Blocks for some seconds at most, and raises KafkaUnavailableError."""
        now_micros = self._now_micros()
        asked = [TopicPartition(topic.name, partition) for topic in _SOURCES]
        instants = []
        for source, answer in committed(self._rater_member, asked).items():
            until = None if answer is None else self._unrated_since(source, answer.offset, now_micros)
            if until is None:
                return None
            instants.append(until)
        return Rated(min(instants), self._written_end(partition))

    def _unrated_since(self, source: TopicPartition, offset: int, now_micros: int) -> int | None:
        """When the first unrated record came; `now_micros` if there is none. None where its time is the publisher's: then a
        later record may have an earlier time."""
        with self._reading:
            assign(self._reader, {source: offset})
            try:
                return self._first_time(now_micros)
            finally:
                self._reader.unassign()

    def _first_time(self, now_micros: int) -> int | None:
        deadline_seconds = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline_seconds:
            batch = consume(self._reader, 1, _WAIT_SECONDS)
            for record in batch.records:
                kind, milliseconds = record.timestamp()
                return min(milliseconds * 1000, now_micros) if kind == TIMESTAMP_LOG_APPEND_TIME else None
            if batch.ends:
                return now_micros
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the raters' next record was not reached"))


def unknown(_: int) -> None:
    """Replaces `Completeness.rated_until` where that is not wanted: the answer is always None."""
