"""What a rater reads again on assignment: the log, to fill its deduplication stores, and the newest record that it rated.

These two loops are not those of `kafka_io.reading`: they read several partitions side by side, and the first one may only end
where no transaction is open, since the offsets of an open one may be committed already. `read_back` runs it in a thread.
"""

import logging
import threading
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from confluent_kafka import Consumer, Message

from kafka_io.batches import consume
from kafka_io.offsets import (
    assign,
    first_written_since,
    last_known_end,
    offset_range,
    read_more,
    read_no_more,
    reported_ends,
)
from kafka_io.positions import TopicPartition, position_of
from schemas.codec import RecordCodec, UndecodableError
from schemas.topics import CREDIT_MOVEMENTS
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.dedup.needed import Needed
from streams.dedup.progress import Progress
from streams.dedup.store import DedupStore
from streams.events.record_times import record_times
from streams.events.sorted_keys import Ints
from streams.events.table import events_of_movements

logger = logging.getLogger(__name__)

_MOST_RECORDS = 20_000
_WAIT_SECONDS = 0.1
# Asked again after that, and a rater that is to end waits no longer.
_ANSWER_SECONDS = 5.0
# Partitions with less than this to read are read side by side, the others one after the other, so that each is ready early.
_LITTLE = 100_000
# How many records before a committed offset are looked at for the newest.
TAIL = 20_000
_MICROS_PER_MILLI = 1000


class LogReader:
    """`consumer` has `read_committed` and `enable.partition.eof`; one thread at a time uses it. `codec` decodes
    `credit-movements`. Methods raise KafkaException."""

    def __init__(self, consumer: Consumer, codec: RecordCodec) -> None:
        self._consumer = consumer
        self._codec = codec

    def skip(self, stores: Mapping[int, DedupStore], needed: Mapping[int, Needed]) -> None:
        """Let stores begin where the log has what is `needed` (by partition number): they do not need what lies before."""
        times = {_partition(number): each.written_since // _MICROS_PER_MILLI for number, each in needed.items()}
        if not times:
            return
        for (_, number), offset in first_written_since(self._consumer, times, _ANSWER_SECONDS).items():
            store = stores[number]
            if offset > store.reached_offset:
                store.reached_offset = offset
                store.forgotten_before = max(store.forgotten_before, needed[number].occurred_since)

    def catch_up(self, stores: Mapping[int, DedupStore], progress: Progress, stop: threading.Event) -> None:
        """Add to the store of each partition every movement from the store's offset to the end of the log.

        Those that have little to read come first and side by side, then one after the other. A store is not touched any more
        once `progress` has it as ready.

        Waits for a transaction that is still open there. Kafka marks the end of a transaction in one partition after the other,
        so its offsets may be committed while its movements cannot be read yet. If its rater is gone, Kafka aborts it after the
        transaction's time-out.

        Raises RegistryUnavailableError, then call it again; OffsetOutOfRangeError for a store that is ahead of the log, and
        UndecodableError for a record that is no movement: the rater alone writes this log, so that would be a bug.
        """
        ends = reported_ends(self._consumer, map(_partition, stores), _ANSWER_SECONDS)
        for number, store in stores.items():
            progress.begin(number, store.reached_offset, ends[_partition(number)])
        waiting = sorted(stores, key=progress.left)
        reading: set[int] = set()
        assign(self._consumer, {})
        try:
            while (waiting or reading) and not stop.is_set():
                while waiting and all(progress.left(each) < _LITTLE for each in reading):
                    number = waiting.pop(0)
                    read_more(self._consumer, _partition(number), stores[number].reached_offset)
                    reading.add(number)
                batch = consume(self._consumer, _MOST_RECORDS, _WAIT_SECONDS)
                self._add({number: stores[number] for number in reading}, batch.records, progress)
                for partition, end in batch.ends.items():
                    if partition.partition in reading and self._is_the_end(partition, end):
                        # Otherwise the consumer would go on fetching what this rater itself writes.
                        read_no_more(self._consumer, partition)
                        reading.remove(partition.partition)
                        progress.reach_end(partition.partition, end)
                progress.tell()
        finally:
            self._consumer.unassign()

    def newest_before(
        self, offsets: Mapping[TopicPartition, int], now_micros: int, stop: threading.Event
    ) -> dict[TopicPartition, int]:
        """The time of the newest of the last records (TAIL) before each of these offsets, 0 where there is none.

        This is for partitions whose committed offset has no note that says it: an earlier version committed the offset, or the
        embedded broker, which keeps no notes. Where an older record has a later time, the answer is too low. That charges
        nobody twice: ids are then kept longer than need be, and an event is refused for its age later than need be. Too high
        it cannot be, since `now_micros` bounds the publishers' timestamps.
        """
        newest = dict.fromkeys(offsets, 0)
        unread = {partition for partition, offset in offsets.items() if offset > 0}
        begins = {
            each: max(offset_range(self._consumer, each, _ANSWER_SECONDS)[0], offsets[each] - TAIL) for each in unread
        }
        assign(self._consumer, begins)
        while unread and not stop.is_set():
            batch = consume(self._consumer, _MOST_RECORDS, _WAIT_SECONDS)
            for partition, read_to, at in _by_partition(batch.records, offsets, now_micros):
                newest[partition] = max(newest[partition], at)
                if read_to >= offsets[partition]:
                    unread.discard(partition)
            # A partition may end before its committed offset: then there is no more to read.
            unread -= batch.ends.keys()
        self._consumer.unassign()
        return newest

    def _is_the_end(self, partition: TopicPartition, offset: int) -> bool:
        # The answer to the fetch that brought us to `offset` says how far records are written, committed or not.
        written = last_known_end(self._consumer, partition)
        if offset < written:
            logger.warning(
                "%s, partition %d: waiting for the end of an open transaction; if that takes minutes, it hangs, readers get"
                " nothing after it, and `kafka-transactions.sh find-hanging` shows it",
                *partition,
            )
        return offset >= written

    def _add(self, stores: Mapping[int, DedupStore], messages: list[Message], progress: Progress) -> None:
        if not messages:
            return
        decoded = self._codec.decode([message.value() for message in messages])
        if decoded.refusals:
            raise UndecodableError(decoded.refusals[0])
        events = events_of_movements(decoded.rows)
        ids, content, occurred_at = id_hashes(events), content_hashes(events), events["occurred_at"].to_numpy()
        partitions = np.array([message.partition() for message in messages], dtype=np.int64)
        for number in stores.keys() & set(np.unique(partitions).tolist()):
            rows = np.flatnonzero(partitions == number)
            reached_offset = position_of(messages[rows[-1]]).next_offset
            stores[number].add(ids[rows], content[rows], occurred_at[rows], reached_offset)
            log_behind = _log_behind(messages, rows, occurred_at) if progress.is_whole(number) else 0
            progress.read_to(number, reached_offset, len(rows), log_behind)


def _log_behind(messages: list[Message], rows: Ints, occurred_at: Ints) -> int:
    """How far the times of these rows' messages lie behind those of their events at most, in microseconds."""
    written_at = np.array([messages[row].timestamp()[1] for row in rows.tolist()], dtype=np.int64) * _MICROS_PER_MILLI
    return int((occurred_at[rows] - written_at).max())


def _partition(number: int) -> TopicPartition:
    return TopicPartition(CREDIT_MOVEMENTS.name, number)


def _by_partition(
    records: list[Message], offsets: Mapping[TopicPartition, int], now_micros: int
) -> Iterator[tuple[TopicPartition, int, int]]:
    """For each partition: how far these records bring the reader, and the newest time of those before its offset (0: none)."""
    partitions = [position_of(record).topic_partition for record in records]
    table = pl.DataFrame(
        {
            "topic": [each.topic for each in partitions],
            "partition": [each.partition for each in partitions],
            "offset": [record.offset() for record in records],
            "end": [offsets[each] for each in partitions],
            "at": record_times([record.timestamp() for record in records], now_micros).recorded_at,
        }
    )
    newest = pl.col("at").filter(pl.col("offset") < pl.col("end")).max().fill_null(0)
    of_partitions = table.group_by("topic", "partition").agg(pl.col("offset").max() + 1, newest)
    return (
        (TopicPartition(topic, partition), read_to, at) for topic, partition, read_to, at in of_partitions.iter_rows()
    )
