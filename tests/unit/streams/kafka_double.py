"""A Kafka of lists around the real rater, for tests that need thousands of histories, with one partition of each topic or more.

What is committed changes together, as in a transaction. It has a clock of its own for each reader, and may keep the notes of
offsets or lose them, as brokers do.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from pathlib import Path
from typing import Any, cast

import polars as pl
from confluent_kafka import Message
from confluent_kafka import TopicPartition as PartitionOffset
from prometheus_client import CollectorRegistry

from kafka_io.outages import Complaints, Patience
from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec
from schemas.partitioner import account_partition
from schemas.topics import CREDIT_MOVEMENTS, Topic
from streams.dedup.catch_up import LogReader
from streams.dedup.snapshots import Snapshots
from streams.events.table import SOURCES
from streams.metrics import RaterMetrics
from streams.options import RaterOptions
from streams.pricing.rating import Limits
from streams.rater import Rater
from streams.refunds.ledger import RefundLedger
from streams.watches.clock import ClockWatch
from streams.watches.numbers import NumberWatch
from tests.limits import LIMITS
from tests.prices import price_list
from tests.unit.schemas.test_codec import RegisteredSchemas
from tests.unit.streams.log_double import LogConsumer
from tests.unit.streams.test_outcome import rate
from tests.unit.streams.writer_double import WriterDouble

CODECS = {topic.name: RecordCodec(topic, cast(Any, RegisteredSchemas())) for topic in (*SOURCES, CREDIT_MOVEMENTS)}
PRICES = price_list([rate(effective_from=0)])


class KafkaDouble:
    """`letters`: (topic partition, offset) → (reason, detail). `keeps_notes`: whether it keeps the notes of offsets.

    `is_readable`: partition number → whether its log may be read back by now. With `waits_for_the_log` a turn of a rater ends
    only when all is read back, so that nothing depends on how quick a thread is.
    """

    def __init__(self, folder: Path, now_micros: int, keeps_notes: bool = True, partitions: int = 1) -> None:
        self.folder = folder
        self.now_micros = now_micros
        self.keeps_notes = keeps_notes
        self.partitions = partitions
        self.records: dict[TopicPartition, list[Message]] = {
            TopicPartition(topic.name, number): [] for topic in SOURCES for number in range(partitions)
        }
        self.committed: dict[TopicPartition, PartitionOffset] = {}
        self.log: list[dict[str, Any]] = []
        self._log_records: dict[int, list[Message]] = {number: [] for number in range(partitions)}
        self.letters: dict[tuple[TopicPartition, int], tuple[str, str]] = {}
        # "abort", "crash before", "crash after", or "unmarked": said to be committed, and open until the next one ends.
        self.next_commit: str = "commit"
        self.unmarked: list[Callable[[], Any]] = []
        self._running: RunningRater | None = None
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.snapshots: Snapshots | None = None
        self.first_kept = dict.fromkeys(self.records, 0)
        self.is_readable = {number: threading.Event() for number in range(partitions)}
        for each in self.is_readable.values():
            each.set()
        self.waits_for_the_log = True
        self.stamps_the_log = True
        self.refunds: RefundLedger | None = None

    def read(self, partition: TopicPartition) -> list[Message]:
        """The records of a partition of a source topic or of the log."""
        of_log = partition.topic == CREDIT_MOVEMENTS.name
        return self._log_records[partition.partition] if of_log else self.records.get(partition, [])

    def write_log(self, movements: pl.DataFrame) -> dict[int, int]:
        """Add movements with the time that the rater's machine has. Returns where the partitions written to end."""
        self.log += movements.to_dicts()
        stamp, ends = (1, self.now_micros // 1000), {}
        values = CODECS[CREDIT_MOVEMENTS.name].encode(movements) if len(movements) else []
        for number, value in zip(movements["source_partition"].to_list(), values, strict=True):
            log = self._log_records[number]
            log.append(
                Message(topic=CREDIT_MOVEMENTS.name, partition=number, offset=len(log), value=value, timestamp=stamp)
            )
            ends[number] = len(log)
        return ends

    def ends_after(self, tables: list[pl.DataFrame]) -> dict[int, int]:
        """Where the partitions would end that these movements are written to."""
        numbers = [number for movements in tables for number in movements["source_partition"].to_list()]
        return {number: len(self._log_records[number]) + numbers.count(number) for number in numbers}

    def publish(self, topic: Topic, record: dict[str, Any], told_micros: int, kind: int = 1) -> None:
        """`kind`: 1 where the publisher stamps (CreateTime), 2 where the broker does."""
        number = account_partition(record["account_id"], self.partitions)
        topic_partition = TopicPartition(topic.name, number)
        codec = CODECS[topic.name]
        # The table of events calls the movement that is corrected otherwise.
        fields = {"movement_id": record.get("corrected_movement_id"), **record}
        value = codec.encode_one({name: fields[name] for name in codec.dtypes})
        stamp = (kind, told_micros // 1000)
        offset = len(self.records[topic_partition])
        self.records[topic_partition].append(
            Message(topic=topic.name, partition=number, offset=offset, value=value, key=b"k", timestamp=stamp)
        )

    def delete_rated_records(self) -> None:
        """As a topic's retention does; offsets stay what they are."""
        self.first_kept |= {topic_partition: committed.offset for topic_partition, committed in self.committed.items()}

    def rater(
        self, batch_size: int = 50, limits: Limits | None = None, behind: Callable[[], Any] = lambda: None
    ) -> "RunningRater":
        if self._running is not None:
            self._running.die()
        # A producer that begins aborts what its predecessor left open.
        self.unmarked = []
        self._running = RunningRater(self, batch_size, limits or LIMITS, behind)
        return self._running


class RunningRater:
    """A rater of the double, turned by hand. Without a pause the batch of a turn is still under way when the turn ends."""

    def __init__(self, kafka: KafkaDouble, batch_size: int, limits: Limits, behind: Callable[[], Any]) -> None:
        options = RaterOptions(
            partitions=kafka.partitions,
            dedup_folder=kafka.folder,
            log_id="log",
            origins={topic.name: f"{topic.name} a, log" for topic in SOURCES},
            limits=limits,
            batch_size=batch_size,
            snapshots=kafka.snapshots,
            stamps_the_log=kafka.stamps_the_log,
        )
        self._consumer = consumer = _Consumer(kafka)
        metrics = RaterMetrics(CollectorRegistry())
        clock = ClockWatch(lambda: kafka.now_micros, lambda: 0.0, limits.max_ahead, behind)
        self.rater = Rater(
            cast(Any, consumer),
            cast(Any, WriterDouble(kafka)),
            cast(Any, _Feed()),
            LogReader(cast(Any, LogConsumer(kafka)), CODECS[CREDIT_MOVEMENTS.name]),
            {topic.name: CODECS[topic.name] for topic in SOURCES},
            options,
            metrics,
            clock,
            NumberWatch(metrics.not_numbers, lambda: 0.0),
            lambda: 0.0,
            kafka.refunds,
        )
        self._kafka = kafka
        self._patience = Patience(threading.Event(), Complaints(lambda: 0.0))
        self.come_back()

    def turn(self, *, pauses: bool = True) -> None:
        self._turn()
        if pauses:
            self._quietly(self._turn)

    def _turn(self) -> None:
        self.rater._turn(self._patience)
        reading = self.rater._assignment._reading
        if reading is not None and self._kafka.waits_for_the_log:
            reading.wait()
            if self.rater._assignment.has_ready:
                # As if the thread had been as quick as that.
                self._quietly(lambda: self.rater._turn(self._patience))

    def _quietly(self, turn: Callable[[], None]) -> None:
        self._consumer.is_quiet, before = True, self._consumer.is_quiet
        turn()
        self._consumer.is_quiet = before

    def come_back(self) -> None:
        """A rebalance brings all partitions."""
        self.rater._assignment.on_assign(cast(Any, self._consumer), list(self._kafka.records))

    def die(self) -> None:
        """All that its process does ends, sooner or later: what is being committed, and the reading of the log."""
        self.wait_until_committed()
        if (reading := self.rater._assignment._reading) is not None:
            reading.stop()

    def wait_until_committed(self) -> None:
        """Or until that has failed: the rater itself learns of it at its next turn."""
        if (under_way := self.rater._under_way) is not None:
            wait([under_way.commit])

    def leave(self) -> None:
        """A rebalance takes the partitions."""
        self.rater._assignment.on_revoke(cast(Any, self._consumer), [])

    def catch_up(self) -> None:
        """Rate all that is there."""
        while True:
            self.turn()
            ends = {topic_partition: len(records) for topic_partition, records in self._kafka.records.items()}
            done = {topic_partition: committed.offset for topic_partition, committed in self._kafka.committed.items()}
            if all(done.get(topic_partition) == end for topic_partition, end in ends.items()):
                return

    def save(self, *, is_settled: bool = True) -> None:
        """Have the stores write their files. `is_settled`: as if another commit had come in each partition since."""
        stores = self.rater._assignment.stores
        for store in stores._stores.values() if is_settled else ():
            store._settle()
        stores.save()


class _Consumer:
    def __init__(self, kafka: KafkaDouble) -> None:
        self._kafka = kafka
        self._next: dict[TopicPartition, int] = {}
        self.is_quiet = False

    def unassign(self) -> None:
        self._next = {}

    def assign(self, partitions: list[PartitionOffset]) -> None:
        self._next = {TopicPartition(each.topic, each.partition): each.offset for each in partitions}

    def consume(self, count: int, _: float) -> list[Message]:
        taken: list[Message] = []
        if self.is_quiet:
            return taken
        for topic_partition, offset in self._next.items():
            new = self._kafka.records[topic_partition][offset : offset + count - len(taken)]
            self._next[topic_partition] += len(new)
            taken += new
        return taken

    def committed(self, partitions: list[PartitionOffset], _: float) -> list[PartitionOffset]:
        none = -1001
        return [
            self._kafka.committed.get(TopicPartition(each.topic, each.partition))
            or PartitionOffset(each.topic, each.partition, none)
            for each in partitions
        ]

    def get_watermark_offsets(self, partition: PartitionOffset, _: float) -> tuple[int, int]:
        return 0, len(self._kafka.read(TopicPartition(partition.topic, partition.partition)))


class _Feed:
    is_complete = True
    refused: tuple[()] = ()
    prices = PRICES

    def refresh(self) -> None:
        """Nothing is published."""

    def forget_refused(self, _: Mapping[TopicPartition, int]) -> None:
        """Nothing is refused."""
