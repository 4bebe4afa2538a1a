"""What a rater reads again on assignment: the log, to fill its deduplication stores, and the newest record that it rated.

These two loops are not those of `kafka_io.reading`: they read all partitions of a rater side by side, and the first one may
only end where no transaction is open, since the offsets of an open one may be committed already.
"""

import logging
import threading
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message

from kafka_io.batches import consume
from kafka_io.offsets import assign, last_known_end
from kafka_io.positions import TopicPartition, position_of
from schemas.codec import RecordCodec, UndecodableError
from schemas.topics import CREDIT_MOVEMENTS
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.dedup.store import DedupStore
from streams.events.record_times import record_times
from streams.events.table import events_of_movements

logger = logging.getLogger(__name__)

_MOST_RECORDS = 20_000
_WAIT_SECONDS = 0.1
_PROGRESS_EVERY = 1_000_000


class LogReader:
    """`consumer` has `read_committed` and `enable.partition.eof`; nobody else uses it. `codec` decodes `credit-movements`."""

    def __init__(self, consumer: Consumer, codec: RecordCodec) -> None:
        self._consumer = consumer
        self._codec = codec

    def catch_up(self, stores: Mapping[int, DedupStore], stop: threading.Event) -> dict[int, int]:
        """Add to the store of each partition every movement from the store's offset to the end of the log.

        Waits for a transaction that is still open there. Kafka marks the end of a transaction in one partition after the other,
        so its offsets may be committed while its movements cannot be read yet. If its rater is gone, Kafka aborts it after the
        transaction's time-out.

        Returns the end of each partition. Raises KafkaException, RegistryUnavailableError, OffsetOutOfRangeError for a store
        that is ahead of the log, and UndecodableError for a record that is no movement: the rater alone writes this log, so
        that would be a bug.
        """
        begins = {TopicPartition(CREDIT_MOVEMENTS.name, each): store.reached_offset for each, store in stores.items()}
        assign(self._consumer, begins)
        log_ends: dict[int, int] = {}
        read = 0
        while len(log_ends) < len(stores) and not stop.is_set():
            batch = consume(self._consumer, _MOST_RECORDS, _WAIT_SECONDS)
            self._add(stores, batch.records)
            log_ends |= {each.partition: end for each, end in batch.ends.items() if self._is_the_end(each, end)}
            if (read + len(batch.records)) // _PROGRESS_EVERY > read // _PROGRESS_EVERY:
                logger.info("%d movements read back from the log", read + len(batch.records))
            read += len(batch.records)
        # Otherwise the consumer would go on fetching what this rater itself writes.
        self._consumer.unassign()
        return log_ends

    def newest_before(
        self, offsets: Mapping[TopicPartition, int], now_micros: int, stop: threading.Event
    ) -> dict[TopicPartition, int]:
        """The time of the newest record before each of these offsets, 0 where there is none. Reads all records before them.

        This is for partitions whose committed offset has no note that says it: an earlier version committed the offset, or the
        embedded broker, which keeps no notes. `now_micros` bounds the publishers' timestamps. Raises KafkaException.
        """
        newest = dict.fromkeys(offsets, 0)
        unread = {partition for partition, offset in offsets.items() if offset > 0}
        assign(self._consumer, dict.fromkeys(unread, OFFSET_BEGINNING))
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

    def _add(self, stores: Mapping[int, DedupStore], messages: list[Message]) -> None:
        decoded = self._codec.decode([message.value() for message in messages])
        if decoded.refusals:
            raise UndecodableError(decoded.refusals[0])
        events = events_of_movements(decoded.rows)
        ids, content, occurred_at = id_hashes(events), content_hashes(events), events["occurred_at"].to_numpy()
        partitions = np.array([message.partition() for message in messages], dtype=np.int64)
        for number in np.unique(partitions).tolist():
            rows = np.flatnonzero(partitions == number)
            reached_offset = position_of(messages[rows[-1]]).next_offset
            stores[number].add(ids[rows], content[rows], occurred_at[rows], reached_offset)


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
