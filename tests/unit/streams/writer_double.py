"""The writer of the Kafka of lists: what a transaction writes comes to it together, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
from confluent_kafka import Message
from confluent_kafka import TopicPartition as PartitionOffset

from kafka_io.offsets import OffsetAndNote
from kafka_io.positions import TopicPartition, position_of
from kafka_io.transactions import AbortedError

if TYPE_CHECKING:
    from tests.unit.streams.kafka_double import KafkaDouble

_LONGEST_WAIT_SECONDS = 30.0


class CrashedError(BaseException):
    """The process has died: no part of the rater may catch it."""


class WriterDouble:
    def __init__(self, kafka: KafkaDouble) -> None:
        self._kafka = kafka

    def begin(self) -> None:
        self._what, self._kafka.next_commit = self._kafka.next_commit, "commit"
        self._movements: list[pl.DataFrame] = []
        self._letters: dict[tuple[TopicPartition, int], tuple[str, str]] = {}

    def append(self, movements: pl.DataFrame) -> None:
        self._movements.append(movements)

    def write_dead_letter(self, message: Message, reason: Any, detail: str) -> None:
        self._letters[position_of(message)] = (reason.value, detail)

    def begin_commit(self, offsets: Mapping[TopicPartition, OffsetAndNote], _: Any) -> Callable[[], dict[int, int]]:
        return partial(self.commit, offsets, None)

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndNote], _: Any) -> dict[int, int]:
        assert self._kafka.may_commit.wait(_LONGEST_WAIT_SECONDS)
        what = self._what
        if what == "crash before":
            raise CrashedError
        if what == "abort":
            self._kafka.unmarked = []
            raise AbortedError("for a test")
        write = partial(self._write, self._movements, self._letters, offsets)
        if what == "unmarked":
            self._kafka.unmarked.append(write)
            return self._kafka.ends_after(self._movements)
        unmarked, self._kafka.unmarked = self._kafka.unmarked, []
        ends: dict[int, int] = {}
        for each in (*unmarked, write):
            ends = each()
        if what == "crash after":
            raise CrashedError
        return ends

    def _write(
        self,
        tables: list[pl.DataFrame],
        letters: Mapping[tuple[TopicPartition, int], tuple[str, str]],
        offsets: Mapping[TopicPartition, OffsetAndNote],
    ) -> dict[int, int]:
        ends: dict[int, int] = {}
        for movements in tables:
            ends |= self._kafka.write_log(movements)
        self._kafka.letters |= letters
        for topic_partition, (offset, note) in offsets.items():
            kept = note if self._kafka.keeps_notes else ""
            self._kafka.committed[topic_partition] = PartitionOffset(*topic_partition, offset, kept)
        return ends
