"""The whole way from the events to ClickHouse, with a bad network before Kafka and before ClickHouse."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import polars as pl
from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException, TopicPartition
from prometheus_client import CollectorRegistry

from credit_movements import clients
from credit_movements.unreachable import UnreachableError
from credit_movements.workers import sink
from credit_movements.workers.rater import make_rater
from kafka_io.reading import log_ends
from schemas.topics import CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS, Topic
from tests.faults.proxy import Proxy
from tests.integration.records import event, rate, top_up
from tests.integration.stack import DEADLINE_SECONDS, Stack, eventually

logger = logging.getLogger(__name__)

# Everything that a row holds: two tables with the same sum hold the same rows.
_CHECKSUM = """
SELECT count(), sum(credit_movement), sum(cityHash64(formatRow('TSV', *))) FROM (SELECT * FROM credit_movements FINAL)
"""


class Checksum(NamedTuple):
    rows: int
    balance: Any
    hash: int


class World:
    """Everybody reaches Kafka through its proxy; the workers reach ClickHouse through its, `client` around it."""

    def __init__(self, stack: Stack, client: Client, kafka: Proxy, clickhouse: Proxy) -> None:
        self.stack = stack
        self.settings = stack.settings
        self.client = client
        self.kafka = kafka
        self.clickhouse = clickhouse

    def publish(self, first: int, count: int, **fields: Any) -> None:
        """Usage events with the numbers from `first` on, each tenth with a top-up beside it."""
        self.publish_usage(first, count, **fields)
        numbers = range(first, first + count)
        self._publish(TOP_UP_EVENTS, [top_up(number) for number in numbers if number % 10 == 0])

    def publish_usage(self, first: int, count: int, **fields: Any) -> None:
        self._publish(USAGE_EVENTS, [event(number, **fields) for number in range(first, first + count)])

    def _publish(self, topic: Topic, records: list[dict[str, Any]]) -> None:
        codec = self.stack.codec(topic)
        values = codec.encode(pl.DataFrame(records, schema=codec.dtypes))
        for record, value in zip(records, values, strict=True):
            self.stack.send(topic, value, record["account_id"])
        self.stack.flush()

    def publish_rate(self) -> None:
        self.stack.publish_priced(RATES, rate())

    def rating(self) -> AbstractContextManager[None]:
        """A rater at work behind the proxy."""
        return _working("rater", lambda stop: make_rater(self.settings, CollectorRegistry()).run(stop))

    def is_rated(self) -> bool:
        """Whether nothing is left to rate. A Kafka that does not answer has not said so."""
        try:
            return self.stack.is_rated()
        except KafkaException:
            return False

    def sinking(self) -> AbstractContextManager[None]:
        """A sink at work behind both proxies."""
        return _working("sink", lambda stop: sink.run_sink(self.settings, stop))

    def store_everything(self) -> None:
        with self.sinking():
            eventually(lambda: self.sink_lag() == 0)

    def sink_lag(self) -> int:
        """Offsets of the log that the sink has not committed."""
        with self._sink_group() as (ends, committed):
            return sum(end - max(committed[partition], 0) for partition, end in ends.items())

    def sink_committed(self) -> dict[int, int]:
        """Where the sink's group goes on in each partition, negative where it does not know."""
        with self._sink_group() as (_, committed):
            return committed

    def move_sink_back(self, partitions: Iterable[int] | None = None, offset: int = 0) -> None:
        """As an operator does who wants the log replayed: the sink's group begins there. No sink may be at work."""
        group = clients.group_consumer(self.settings, sink.GROUP)
        numbers = self._partitions() if partitions is None else partitions
        topic_partitions = [TopicPartition(CREDIT_MOVEMENTS.name, number, offset) for number in numbers]
        group.commit(offsets=topic_partitions, asynchronous=False)
        group.close()

    def checksum(self) -> Checksum:
        """What ClickHouse counts, each row once."""
        return Checksum(*self.client.query(_CHECKSUM).result_rows[0])

    def written(self) -> int:
        """Rows in the table, those too that do not count."""
        return int(self.client.query("SELECT count() FROM credit_movements").result_rows[0][0])

    def in_log(self) -> tuple[int, int]:
        """How many movements the log holds, and how many different ones."""
        values = [message.value() for message in self.stack.read(CREDIT_MOVEMENTS.name)]
        decoded = self.stack.codec(CREDIT_MOVEMENTS).decode(values)
        assert decoded.refusals == []
        return len(values), decoded.rows["movement_id"].n_unique()

    def _partitions(self) -> range:
        return range(self.settings.topic_partitions)

    @contextmanager
    def _sink_group(self) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
        topic_partitions = [(CREDIT_MOVEMENTS.name, number) for number in self._partitions()]
        reader = clients.reading_consumer(self.settings, "test")
        group = clients.group_consumer(self.settings, sink.GROUP)
        try:
            ends = {number: end for (_, number), end in log_ends(reader, topic_partitions).items()}
            answers = group.committed([TopicPartition(*topic_partition) for topic_partition in topic_partitions], 10)
            yield ends, {answer.partition: answer.offset for answer in answers}
        finally:
            reader.close()
            group.close()


@contextmanager
def _working(name: str, run: Callable[[threading.Event], object]) -> Iterator[None]:
    """A worker at work. It may give up on Kafka, and is then started again, as whatever keeps it running would; anything else
    that it raised is raised at the end."""
    stop = threading.Event()

    def keep_running() -> None:
        while not stop.is_set():
            try:
                run(stop)
            except (KafkaException, UnreachableError):
                logger.exception("the %s gave up", name)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(keep_running)
        try:
            yield
        finally:
            stop.set()
        working.result(DEADLINE_SECONDS)
