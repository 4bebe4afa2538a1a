"""The consumer that a rater of the double reads the log with, as Kafka would answer it; the reader itself is the real one."""

import threading
import time
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as PartitionOffset

from kafka_io.positions import TopicPartition

_END = -1


class Partitions(Protocol):
    """What such a consumer reads: the records of source topics and of the log, and what of the log it may read by now."""

    first_kept: dict[TopicPartition, int]
    is_readable: dict[int, threading.Event]

    def read(self, partition: TopicPartition) -> list[Message]: ...


class LogConsumer:
    """Gives at most `piece` records at a time. A partition of the log that is not readable yet gives nothing, and no end."""

    def __init__(self, kafka: Partitions, piece: int = 1000) -> None:
        self._kafka = kafka
        self._piece = piece
        self._next: dict[TopicPartition, int] = {}
        self._told: set[TopicPartition] = set()

    def assign(self, partitions: list[PartitionOffset]) -> None:
        self._next, self._told = {}, set()
        self.incremental_assign(partitions)

    def unassign(self) -> None:
        self._next = {}

    def incremental_assign(self, partitions: list[PartitionOffset]) -> None:
        self._next |= {TopicPartition(each.topic, each.partition): max(each.offset, 0) for each in partitions}

    def incremental_unassign(self, partitions: list[PartitionOffset]) -> None:
        for each in partitions:
            del self._next[TopicPartition(each.topic, each.partition)]

    def consume(self, _: int, wait_seconds: float) -> list[Message]:
        taken: list[Message] = []
        for partition, offset in self._next.items():
            if not self._is_readable(partition):
                continue
            records = self._kafka.read(partition)
            new = records[offset : offset + self._piece]
            self._next[partition] += len(new)
            taken += new
            if self._next[partition] >= len(records) and partition not in self._told:
                self._told.add(partition)
                taken.append(_end(partition, len(records)))
        if not taken:
            time.sleep(min(wait_seconds, 0.005))
        return taken

    def get_watermark_offsets(self, partition: PartitionOffset, *_: float, **__: bool) -> tuple[int, int]:
        read = TopicPartition(partition.topic, partition.partition)
        return self._kafka.first_kept.get(read, 0), len(self._kafka.read(read))

    def offsets_for_times(self, asked: list[PartitionOffset], _: float) -> list[PartitionOffset]:
        """As Apache Kafka answers: the first record with that time or a later one. The client does not ask for nothing."""
        if not asked:
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
        answers = []
        for each in asked:
            records = self._kafka.read(TopicPartition(each.topic, each.partition))
            later = (number for number, record in enumerate(records) if record.timestamp()[1] >= each.offset)
            found = len(records) if each.offset == _END else next(later, _END)
            answers.append(PartitionOffset(each.topic, each.partition, found))
        return answers

    def _is_readable(self, partition: TopicPartition) -> bool:
        return partition in self._kafka.first_kept or self._kafka.is_readable[partition.partition].is_set()


def _end(partition: TopicPartition, offset: int) -> Message:
    error: Any = KafkaError(KafkaError._PARTITION_EOF)
    return Message(topic=partition.topic, partition=partition.partition, offset=offset, error=error)
