"""How far the ledger has come for the accounts of a partition: the time until which all events in Kafka are rated.

1. Take the time.
2. Ask how far the raters have committed in all source topics, and read the next record there. If there is none, all events
   that came before the time of step 1 are rated. If there is one, all events that came before it are rated.
3. Ask how far `credit-movements` is written, open transactions included: the movements of all rated events lie below that end.
   Kafka may show committed offsets before it has marked the movements of the same transaction as committed. So the caller has
   to wait until a `read_committed` reader comes to that end.

Where the answer would not be sure, the answer is None.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException

from exporter.foreign_outages import kafka_outages_named
from exporter.positions.rounds import AskAll
from kafka_io.batches import consume_soon
from kafka_io.offsets import ANSWER_SECONDS, assign, committed
from kafka_io.positions import TopicPartition, position_of
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS

_SOURCES: Final = (USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
_WAIT_SECONDS: Final = 0.5
_MOST_RECORDS: Final = 1_000


class Rated(NamedTuple):
    """All events of a partition that reached Kafka before `until_micros` are rated (or refused), and their movements lie
    below `log_end_offset` of the same partition of `credit-movements`."""

    until_micros: int
    log_end_offset: int


class Completeness:
    """Answers how far the ledger has come.

    `reader` has `read_uncommitted` and `enable.partition.eof`, and nobody else uses it. `rater_member` has the raters'
    `group.id`, and is only asked for the committed offsets. `written_ends` gives the ends of partitions of
    `credit-movements`, open transactions included.
    """

    def __init__(
        self,
        reader: Consumer,
        rater_member: Consumer,
        written_ends: AskAll[int],
        now_micros: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._rater_member = rater_member
        self._written_ends = written_ends
        self._now_micros = now_micros
        self._reading = threading.Lock()

    @kafka_outages_named()
    def rated_until(self, partitions: Collection[int]) -> dict[int, Rated | None]:
        """None where no answer is sure. Blocks for some seconds at most, and raises KafkaUnavailableError."""
        now_micros = self._now_micros()
        asked = [TopicPartition(topic.name, partition) for topic in _SOURCES for partition in partitions]
        rated = {
            each: answer.offset for each, answer in committed(self._rater_member, asked).items() if answer is not None
        }
        instants = self._unrated_since(rated, now_micros)
        until = {
            partition: [instants.get(TopicPartition(topic.name, partition)) for topic in _SOURCES]
            for partition in partitions
        }
        written = self._written_ends(partitions)
        return {each: _rated(until[each], written[each]) for each in partitions}

    def _unrated_since(self, rated: Mapping[TopicPartition, int], now_micros: int) -> dict[TopicPartition, int | None]:
        """When the first unrated record came; `now_micros` if there is none. None where its time is the publisher's: then a
        later record may have an earlier time."""
        if not rated:
            return {}
        with self._reading:
            assign(self._reader, rated)
            try:
                return self._first_times(rated.keys(), now_micros)
            finally:
                self._reader.unassign()

    def _first_times(self, asked: Collection[TopicPartition], now_micros: int) -> dict[TopicPartition, int | None]:
        deadline_seconds = time.monotonic() + ANSWER_SECONDS
        found: dict[TopicPartition, int | None] = {}
        while len(found) < len(asked):
            if time.monotonic() >= deadline_seconds:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the raters' next record was not reached"))
            batch = consume_soon(self._reader, _MOST_RECORDS, _WAIT_SECONDS)
            for record in batch.records:
                kind, milliseconds = record.timestamp()
                came_at = min(milliseconds * 1000, now_micros) if kind == TIMESTAMP_LOG_APPEND_TIME else None
                found.setdefault(position_of(record).topic_partition, came_at)
            # An end behind a record is not where the raters go on.
            for each in batch.ends:
                found.setdefault(each, now_micros)
        return found


def _rated(instants: list[int | None], written_end: int) -> Rated | None:
    known = [each for each in instants if each is not None]
    return Rated(min(known), written_end) if len(known) == len(instants) else None


def unknown(partitions: Collection[int]) -> dict[int, Rated | None]:
    """Replaces `Completeness.rated_until` where that is not wanted: the answer is always None."""
    return dict.fromkeys(partitions)
