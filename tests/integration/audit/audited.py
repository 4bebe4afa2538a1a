"""A stack with a ClickHouse to audit: real raters and sinks work on it, and a test spoils it by hand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
from clickhouse_connect.driver.client import Client
from confluent_kafka import Message, TopicPartition

from credit_movements import clients
from credit_movements.audit.auditor import Audit, Auditor
from credit_movements.workers import rater, sink
from kafka_io.positions import position_of
from kafka_io.reading import log_ends
from schemas.topics import CREDIT_MOVEMENTS, USAGE_EVENTS, Topic
from sinks.write.columns import movement_columns
from sinks.write.insert import insert_movements
from tests.integration.stack import DEADLINE_SECONDS, Stack, eventually


class Audited:
    """`stack` with its ClickHouse, both empty at first."""

    def __init__(self, stack: Stack, client: Client) -> None:
        self.stack = stack
        self.client = client
        self.settings = stack.settings

    def work(self) -> None:
        """Rate and store everything."""
        self.stack.rate_everything()
        with self.sinking():
            eventually(lambda: self.sink_lag() == 0)

    @contextmanager
    def sinking(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=sink.run_sink, args=(self.settings, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(DEADLINE_SECONDS)

    def sink_lag(self) -> int:
        """Offsets of the log that the sink has not committed."""
        topic_partitions = [(CREDIT_MOVEMENTS.name, number) for number in range(self.settings.topic_partitions)]
        reader, group = (
            clients.reading_consumer(self.settings, "test"),
            clients.group_consumer(self.settings, sink.GROUP),
        )
        try:
            ends = log_ends(reader, topic_partitions)
            committed = group.committed([TopicPartition(*topic_partition) for topic_partition in topic_partitions], 10)
            return sum(ends[each.topic, each.partition] - max(each.offset, 0) for each in committed)
        finally:
            reader.close()
            group.close()

    def audit(self) -> Audit:
        auditor = Auditor(self.settings, threading.Event())
        try:
            return auditor.audit()
        finally:
            auditor.close()

    def found(self) -> dict[str, int]:
        """How many differences of each kind an audit finds."""
        return {told.kind.value: told.count for told in self.audit().differences}

    def skip(self, topic: Topic) -> None:
        """Commit as a rater that lost what it had in hand: nothing written, the offsets moved to the end."""
        topic_partitions = [(topic.name, number) for number in range(self.settings.topic_partitions)]
        reader, group = (
            clients.reading_consumer(self.settings, "test"),
            clients.group_consumer(self.settings, rater.GROUP),
        )
        ends = log_ends(reader, topic_partitions)
        group.commit(
            offsets=[TopicPartition(*topic_partition, end) for topic_partition, end in ends.items() if end],
            asynchronous=False,
        )
        reader.close()
        group.close()

    def movements(self) -> list[tuple[Message, dict[str, Any]]]:
        codec = self.stack.codec(CREDIT_MOVEMENTS)
        return [(message, codec.decode_one(message.value())) for message in self.stack.read(CREDIT_MOVEMENTS.name)]

    def charge(self) -> dict[str, Any]:
        """One of the movements that are no top-ups."""
        return next(movement for _, movement in self.movements() if movement["source_topic"] == USAGE_EVENTS.name)

    def append(self, **movement: Any) -> None:
        """Write a movement past the rater, to the partition that it names."""
        value = self.stack.codec(CREDIT_MOVEMENTS).encode_one(movement)
        self.send(CREDIT_MOVEMENTS.name, movement["source_partition"], value)

    def send(
        self, topic: str, partition: int, value: bytes | None, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        producer = clients.producer(self.settings)
        producer.produce(topic, key=b"acct-1", value=value, partition=partition, headers=headers or [])
        assert producer.flush(DEADLINE_SECONDS) == 0

    def insert(self, at: Message, log_offset: int | None = None, **movement: Any) -> None:
        """Write a row past the sink, at the position of a movement or at another offset of its partition."""
        (_, partition), offset = position_of(at)
        frame = pl.DataFrame([movement], schema=self.stack.codec(CREDIT_MOVEMENTS).dtypes)
        log_id = clients.log_identity(self.settings)
        at = pl.Series([offset if log_offset is None else log_offset]).to_numpy()
        insert_movements(self.client, movement_columns(frame, log_id, pl.Series([partition]).to_numpy(), at))

    def delete(self, movement_id: str) -> None:
        self.client.command(
            "ALTER TABLE credit_movements DELETE WHERE movement_id = {id:UUID} SETTINGS mutations_sync = 1",
            parameters={"id": movement_id},
        )
