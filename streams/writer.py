"""Writes movements and dead letters, and commits the offsets with them in one Kafka transaction."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import polars as pl
from confluent_kafka import Consumer, KafkaException, Message, Producer

from kafka_io.offsets import OffsetAndNote
from kafka_io.positions import TopicPartition, position_of
from kafka_io.producing import produce, produce_all
from kafka_io.transactions import MakeProducer, Transactions, commit_alone
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason, dead_letter_headers
from schemas.topics import CREDIT_MOVEMENTS, dead_letter_topic, topic_named
from streams.metrics import RaterMetrics


class MovementWriter:
    """Writes the outcomes of a batch: `begin`, then `append` and `write_dead_letter`, then `commit`."""

    def __init__(self, make_producer: MakeProducer, movements: RecordCodec, metrics: RaterMetrics) -> None:
        self._transactions = Transactions(make_producer, metrics.producers_renewed.inc)
        self._movements = movements
        self._next_offsets: dict[int, int] = {}
        self._writes = False

    def open(self) -> None:
        """Fence any predecessor with the same transactional id. Raises KafkaException, RegistryUnavailableError."""
        self._movements.own_id()
        self._transactions.open()

    def begin(self) -> None:
        """Begin a batch. Its transaction begins with the first record that is written."""
        self._next_offsets = {}
        self._writes = False

    def append(self, movements: pl.DataFrame) -> None:
        """Queue movements (columns of CreditMovement), each to the partition number that its event came from.

        Raises KafkaException.
        """
        if len(movements) == 0:
            return
        self._begin_writing()
        # By partition, and in each in the order of the log.
        movements = movements.sort("source_partition", maintain_order=True)
        keys, values = movements["account_id"].to_list(), self._movements.encode(movements)
        records: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]
        begin = 0
        for partition, count in movements["source_partition"].value_counts().sort("source_partition").iter_rows():
            of_partition = records[begin : begin + count]
            of_partition[-1]["callback"] = self._note_offset
            produce_all(self._transactions.producer, CREDIT_MOVEMENTS.name, of_partition, int(partition))
            begin += count

    def write_dead_letter(self, message: Message, reason: Reason, detail: str) -> None:
        """Queue a dead letter. Raises KafkaException."""
        self._begin_writing()
        produce_dead_letter(self._transactions.producer, message, reason, detail)

    def abort(self, failure: KafkaException) -> None:
        """After an error in the middle of a batch. Raises AbortedError, and `failure` where the rater must end."""
        self._transactions.abort(failure)

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndNote], consumer: Consumer) -> dict[int, int]:
        """Commit the batch with its offsets. Where nothing was written, commit the offsets alone, without a transaction.

        Returns, for each partition of `credit-movements` written to, the offset after the last movement. Raises AbortedError
        where the batch has to be read again, and KafkaException where this rater must end (it was fenced, or a bug).
        """
        return self.begin_commit(offsets, consumer)()

    def begin_commit(
        self, offsets: Mapping[TopicPartition, OffsetAndNote], consumer: Consumer
    ) -> Callable[[], dict[int, int]]:
        """Like `commit`; what is returned does the rest and waits for Kafka, and any thread may call it, once.

        The consumer is used here alone: from another thread its calls may wait for a rebalance, which waits for the commit.
        """
        if self._writes:
            return partial(self._commit_transaction, offsets, consumer.consumer_group_metadata())
        # Offsets alone need no transaction, and Tansu loses the offsets of a transaction that holds nothing else.
        commit_alone(offsets, consumer)
        return dict

    def _commit_transaction(self, offsets: Mapping[TopicPartition, OffsetAndNote], group: object) -> dict[int, int]:
        self._transactions.commit(offsets, group)
        return dict(self._next_offsets)

    def _begin_writing(self) -> None:
        if not self._writes:
            self._transactions.begin()
            self._writes = True

    def _note_offset(self, error: Any, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self._next_offsets[partition] = offset + 1


def produce_dead_letter(producer: Producer, message: Message, reason: Reason, detail: str) -> None:
    """Queue a dead letter: the record's bytes untouched, its headers, and ours. Raises KafkaException."""
    (topic, partition), offset = position_of(message)
    headers = [*(message.headers() or []), *dead_letter_headers(reason, detail, topic, partition, offset)]
    produce(
        producer,
        _dead_letter_topic(topic),
        key=message.key(),
        value=message.value(),
        partition=partition,
        headers=headers,
    )


@cache
def _dead_letter_topic(source: str) -> str:
    return dead_letter_topic(topic_named(source)).name
