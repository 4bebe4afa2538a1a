"""Sinks in threads, and what they have done: offsets in Kafka, rows in ClickHouse."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry

from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS
from sinks.read.summed.grains import BLOCK_OFFSETS
from sinks.write.batch import OutOfLogError
from sinks.write.loop import CONSUMER_SETTINGS, Sink, UndecodableMovementError
from sinks.write.metrics import SinkMetrics
from tests.integration.sink.movements_log import PARTITIONS

TOPIC_PARTITIONS = [TopicPartition(CREDIT_MOVEMENTS.name, partition) for partition in range(PARTITIONS)]
PATIENCE_SECONDS = 30.0


class SimulatedCrashError(BaseException):
    """Nothing catches it: as good as SIGKILL for what comes after."""


class Worker:
    """A sink in a thread, as the root runs one in a process."""

    def __init__(
        self,
        log: str,
        client: Any,
        codec: RecordCodec,
        messages_a_batch: int = 500,
        sums_of_offsets: int = BLOCK_OFFSETS,
        **more: str,
    ) -> None:
        connection = {"bootstrap.servers": log, "session.timeout.ms": 2000, "heartbeat.interval.ms": 500}
        self.consumer = Consumer({**connection, **CONSUMER_SETTINGS, **more})
        self.registry = CollectorRegistry()
        metrics = SinkMetrics(self.registry)
        self.sink = Sink(
            self.consumer, client, codec, metrics, "log-1", time.monotonic, messages_a_batch, 0.2, sums_of_offsets
        )
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.sink.run(self.stop)
        except (SimulatedCrashError, OutOfLogError, UndecodableMovementError) as error:
            self.error = error

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def crashed(self) -> BaseException | None:
        """What it ended with, by itself."""
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        return self.error

    def end(self) -> float:
        """Stops it; gives the seconds that it took."""
        began = time.monotonic()
        self.stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        return time.monotonic() - began


@contextmanager
def sinking(
    log: str,
    client: Any,
    codec: RecordCodec,
    messages_a_batch: int = 500,
    sums_of_offsets: int = BLOCK_OFFSETS,
    **more: str,
) -> Iterator[Worker]:
    worker = Worker(log, client, codec, messages_a_batch, sums_of_offsets, **more)
    try:
        yield worker
    finally:
        worker.end()
        worker.consumer.close()


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, "waited too long"
        time.sleep(0.02)


def committed(log: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": log, **CONSUMER_SETTINGS})
    try:
        return {
            topic_partition.partition: topic_partition.offset
            for topic_partition in consumer.committed(TOPIC_PARTITIONS, 10)
        }
    finally:
        consumer.close()


def ends(log: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": log, **CONSUMER_SETTINGS})
    try:
        return {
            topic_partition.partition: consumer.get_watermark_offsets(topic_partition, 10)[1]
            for topic_partition in TOPIC_PARTITIONS
        }
    finally:
        consumer.close()


def counted(client: Client) -> tuple[int, Decimal]:
    [row] = client.query("SELECT count(), sum(credit_movement) FROM credit_movements_once").result_rows
    return row[0], row[1]


def written(client: Client) -> int:
    """How many rows stand in the table, those that do not count as well."""
    [row] = client.query("SELECT count() FROM credit_movements").result_rows
    return int(row[0])
