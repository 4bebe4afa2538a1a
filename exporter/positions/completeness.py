"""How far the ledger has come for the accounts of a partition: until when all events that reached Kafka are rated.

1. Take the time.
2. Ask how far the raters have committed in both source topics, and look at what comes next there: if there is nothing, all that
   came before the time of step 1 is rated; if there is a record, all that came before it is.
3. Ask how far `credit-movements` is written, open transactions included: below that end lie the movements of all that is
   rated. Kafka answers with committed offsets before it has marked the movements of the same transaction as committed, so
   whoever notes the log's end has to wait until a `read_committed` reader has come so far.

Where an answer would not be sure, there is none.
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

    `reader` reads `read_uncommitted`, tells of ends, is ours alone; `rater_member` has the raters' `group.id` and is only
    asked for its offsets. `written_end` is the end of a partition of `credit-movements`, open transactions included.
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
        """When the first record came that is not rated; `now_micros` if there is none, None where its time is not the broker's:
        then a later record may have an earlier time."""
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
    """Stands in for `Completeness.rated_until` where nobody asks how far the ledger has come."""
