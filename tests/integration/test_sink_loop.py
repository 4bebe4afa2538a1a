"""The sink's loop on a real broker, registry and ClickHouse: every committed movement counts once, whatever happens."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import polars as pl
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from prometheus_client import CollectorRegistry

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service, registry_service
from credit_movements.supervision.processes import running
from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.batch import OutOfLogError
from sinks.write.loop import CONSUMER_SETTINGS, Sink, UndecodableMovementError
from sinks.write.metrics import SinkMetrics
from sinks.write.migrations import apply_migrations
from sinks.write.missing_offsets import MissingOffsets
from tests.conftest import free_port
from tests.integration.movements_log import PARTITIONS, append, make_log, movements, total
from tests.kafka.brokers import BROKERS, TANSU, Kafka

PLACES = [TopicPartition(CREDIT_MOVEMENTS.name, partition) for partition in range(PARTITIONS)]
PATIENCE_SECONDS = 30.0


class SimulatedCrashError(BaseException):
    """Nothing catches it: as good as SIGKILL for what comes after."""


@pytest.fixture
def log(kafka: Kafka) -> str:
    """The bootstrap address of a broker, each in turn, with an empty log of movements, for one test alone."""
    make_log(kafka.bootstrap_servers)
    return kafka.bootstrap_servers


@pytest.fixture
def dsn(clickhouse: str) -> str:
    dsn = clickhouse.rsplit("/", 1)[0] + f"/sink_{uuid.uuid4().hex}"
    apply_migrations(dsn)
    return dsn


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False) as client:
        yield client


@pytest.fixture
def codec(registry: str) -> Iterator[RecordCodec]:
    with SchemaRegistryClient({"url": registry}) as registry_client:
        yield RecordCodec(CREDIT_MOVEMENTS, SubjectSchemas(registry_client))


class Worker:
    """A sink in a thread, as the root runs one in a process."""

    def __init__(self, log: str, client: Any, codec: RecordCodec, messages_a_batch: int = 500, **more: str) -> None:
        connection = {"bootstrap.servers": log, "session.timeout.ms": 2000, "heartbeat.interval.ms": 500}
        self.consumer = Consumer({**connection, **CONSUMER_SETTINGS, **more})
        self.registry = CollectorRegistry()
        metrics = SinkMetrics(self.registry)
        self.sink = Sink(self.consumer, client, codec, metrics, "log-1", time.monotonic, messages_a_batch, 0.2)
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.sink.run(self.stop)
        except (SimulatedCrashError, OutOfLogError, UndecodableMovementError) as error:
            self.error = error

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
def sinking(log: str, client: Any, codec: RecordCodec, messages_a_batch: int = 500, **more: str) -> Iterator[Worker]:
    worker = Worker(log, client, codec, messages_a_batch, **more)
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
        return {place.partition: place.offset for place in consumer.committed(PLACES, 10)}
    finally:
        consumer.close()


def ends(log: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": log, **CONSUMER_SETTINGS})
    try:
        return {place.partition: consumer.get_watermark_offsets(place, 10)[1] for place in PLACES}
    finally:
        consumer.close()


def counted(client: Client) -> tuple[int, Decimal]:
    [row] = client.query("SELECT count(), sum(credit_movement) FROM credit_movements_once").result_rows
    return row[0], row[1]


def written(client: Client) -> int:
    """How many rows stand in the table, those that do not count as well."""
    [row] = client.query("SELECT count() FROM credit_movements").result_rows
    return int(row[0])


def test_every_committed_movement_is_in_clickhouse_with_its_place_in_the_log(
    log: str, client: Client, codec: RecordCodec
) -> None:
    frame = movements(1_300)
    append(log, codec.encode(frame))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert counted(client) == total(frame)
    places = client.query("SELECT log_partition, log_offset, log_id, source_offset FROM credit_movements").result_rows
    assert sorted(places) == sorted((n % PARTITIONS, n // PARTITIONS, "log-1", n) for n in range(len(frame)))


def test_the_committed_offsets_reach_the_ends_of_all_partitions_markers_included(
    log: str, client: Client, codec: RecordCodec
) -> None:
    append(log, codec.encode(movements(2)))  # partition 2 stays empty
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == {0: 2, 1: 2, 2: 0})
    assert committed(log) == ends(log) == {0: 2, 1: 2, 2: 0}


def test_what_comes_later_is_read_from_where_the_last_one_left_off(
    log: str, client: Client, codec: RecordCodec
) -> None:
    first, second = movements(40), movements(50)
    append(log, codec.encode(first))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    append(log, codec.encode(second))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        assert worker.sink.health.rows_inserted == 50
    assert written(client) == 90
    assert counted(client) == total(pl.concat([first, second]))


@pytest.mark.usefixtures("not_on_tansu")
def test_movements_of_an_aborted_transaction_never_reach_clickhouse(
    log: str, client: Client, codec: RecordCodec
) -> None:
    """Apache Kafka keeps them from whoever reads what is committed; Tansu shows them to all."""
    aborted, kept = movements(40), movements(50)
    append(log, codec.encode(aborted), is_aborted=True)
    append(log, codec.encode(kept))
    append(log, codec.encode(aborted), is_aborted=True)
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert written(client) == 50
    assert counted(client) == total(kept)


class CrashesAfterInsert:
    """Dies when the rows are in ClickHouse and the offsets are not committed."""

    def __init__(self, client: Client, inserts: int) -> None:
        self._client = client
        self._inserts = inserts

    def insert_arrow(self, table: str, rows: pa.Table, settings: dict[str, Any]) -> None:
        self._client.insert_arrow(table, rows, settings=settings)
        self._inserts -= 1
        if self._inserts == 0:
            raise SimulatedCrashError


@pytest.mark.parametrize("inserts", [1, 2, 3])
def test_a_crash_between_insert_and_commit_counts_no_row_twice(
    log: str, client: Client, codec: RecordCodec, inserts: int
) -> None:
    frame = movements(1_300)
    append(log, codec.encode(frame))
    with sinking(log, CrashesAfterInsert(client, inserts), codec, messages_a_batch=400) as worker:
        assert isinstance(worker.crashed(), SimulatedCrashError)
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert written(client) > len(frame)
    assert counted(client) == total(frame)


class LosesAnswers:
    """The rows are in, but the answer that says so is lost, a few times."""

    def __init__(self, client: Client, times: int) -> None:
        self._client = client
        self._times = times

    def insert_arrow(self, table: str, rows: pa.Table, settings: dict[str, Any]) -> None:
        self._client.insert_arrow(table, rows, settings=settings)
        self._times -= 1
        if self._times >= 0:
            raise OperationalError("the connection was lost")


def test_an_insert_of_unknown_outcome_is_sent_again_and_counts_once(
    log: str, client: Client, codec: RecordCodec
) -> None:
    frame = movements(100)
    append(log, codec.encode(frame))
    with sinking(log, LosesAnswers(client, 3), codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        assert worker.registry.get_sample_value("credit_sink_retries_total", {"waiting_for": "ClickHouse"}) == 3
    assert written(client) == 400
    assert counted(client) == total(frame)


def test_a_missing_table_is_waited_for_and_says_what_would_help(log: str, clickhouse: str, codec: RecordCodec) -> None:
    dsn = clickhouse.rsplit("/", 1)[0] + f"/late_{uuid.uuid4().hex}"
    frame = movements(30)
    append(log, codec.encode(frame))
    with clickhouse_connect.get_client(dsn=clickhouse, autogenerate_session_id=False) as client:
        client.command(f"CREATE DATABASE {dsn.rsplit('/', 1)[1]}")
        client.database = dsn.rsplit("/", 1)[1]
        with sinking(log, client, codec) as worker:
            wait_until(lambda: "credit-movements setup" in worker.sink.health.waiting_for.get("ClickHouse", ""))
            assert worker.sink.health.committed == {}
            apply_migrations(dsn)
            wait_until(lambda: worker.sink.health.committed == ends(log))
            assert worker.sink.health.waiting_for == {}
        assert counted(client) == total(frame)


def test_an_outage_of_clickhouse_is_waited_out(log: str, codec: RecordCodec, tmp_path: Path) -> None:
    port = free_port()
    service = clickhouse_service(tmp_path / "data", port, "a-password")
    frame = movements(30)
    append(log, codec.encode(frame))
    with running(service, tmp_path):
        apply_migrations(clickhouse_dsn(port, "a-password"))
        client = clickhouse_connect.get_client(
            dsn=clickhouse_dsn(port, "a-password"), autogenerate_session_id=False, dedicated_pool=True
        )
    with client, sinking(log, client, codec) as worker:
        wait_until(lambda: "refused" in worker.sink.health.waiting_for.get("ClickHouse", ""))
        with running(service, tmp_path):
            wait_until(lambda: worker.sink.health.committed == ends(log))
            assert worker.sink.health.waiting_for == {}
            assert counted(client) == total(frame)


def test_an_outage_of_the_registry_is_waited_out(log: str, client: Client, codec: RecordCodec, tmp_path: Path) -> None:
    frame = movements(30)
    append(log, codec.encode(frame))
    port = free_port()
    with SchemaRegistryClient({"url": f"http://127.0.0.1:{port}", "max.retries": 0}) as registry_client:
        reader = RecordCodec(CREDIT_MOVEMENTS, SubjectSchemas(registry_client))
        with sinking(log, client, reader) as worker:
            wait_until(lambda: "the schema registry" in worker.sink.health.waiting_for)
            with running(registry_service(port), tmp_path):
                wait_until(lambda: worker.sink.health.committed == ends(log))
    assert counted(client) == total(frame)


def test_an_undecodable_movement_is_never_skipped(log: str, client: Client, codec: RecordCodec) -> None:
    values = codec.encode(movements(6))
    values[4] = values[4][:-1]
    append(log, values)
    with sinking(log, client, codec) as worker:
        error = worker.crashed()
    assert isinstance(error, UndecodableMovementError)
    assert str(error).startswith("credit-movements, partition 1, offset 1: undecodable, ")
    assert written(client) == 0


def test_two_workers_share_the_partitions_and_count_each_row_once(log: str, client: Client, codec: RecordCodec) -> None:
    frames = [movements(900), movements(900)]
    append(log, codec.encode(frames[0]))
    with sinking(log, client, codec, 100) as first:
        wait_until(lambda: first.sink.health.rows_inserted > 0)
        with sinking(log, client, codec, 100) as second:
            wait_until(lambda: {*first.sink.health.assigned, *second.sink.health.assigned} == {0, 1, 2})
            wait_until(lambda: 0 < len(second.sink.health.assigned) < PARTITIONS)
            append(log, codec.encode(frames[1]))
            wait_until(lambda: {**first.sink.health.committed, **second.sink.health.committed} == ends(log))
            assert not first.sink.health.assigned & second.sink.health.assigned
    assert counted(client) == total(pl.concat(frames))


def test_it_stops_at_once_when_idle(log: str, client: Client, codec: RecordCodec) -> None:
    append(log, codec.encode(movements(10)))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        assert worker.end() < 2.0
    assert worker.error is None


def test_it_stops_at_once_while_clickhouse_is_down(log: str, client: Client, codec: RecordCodec) -> None:
    append(log, codec.encode(movements(10)))
    with sinking(log, LosesAnswers(client, 10**9), codec) as worker:
        wait_until(lambda: "ClickHouse" in worker.sink.health.waiting_for)
        assert worker.end() < 2.0
    assert worker.error is None
    assert committed(log)[0] < 0


def test_rows_blocks_places_and_lag_are_counted(log: str, client: Client, codec: RecordCodec) -> None:
    append(log, codec.encode(movements(12)))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        sample = worker.registry.get_sample_value
        assert sample("credit_sink_rows_inserted_total") == 12
        assert 1 <= (sample("credit_sink_inserts_total") or 0) <= 12
        assert sample("credit_sink_committed_offset", {"partition": "0"}) == 5
        assert sample("credit_sink_lag_messages", {"partition": "0"}) == 0
        assert worker.sink.health.lag == {0: 0, 1: 0, 2: 0}


# Tansu says nothing when it is asked for an offset that is not there.
@pytest.mark.parametrize("kafka", [name for name in BROKERS if name != TANSU], indirect=True)
def test_an_offset_that_the_log_does_not_have_stops_it_unless_it_is_told_to_begin_anew(
    log: str, client: Client, codec: RecordCodec
) -> None:
    frame = movements(30)
    append(log, codec.encode(frame))
    group = Consumer({"bootstrap.servers": log, **CONSUMER_SETTINGS})
    group.commit(offsets=[TopicPartition(CREDIT_MOVEMENTS.name, 1, 1000)], asynchronous=False)
    group.close()
    with sinking(log, client, codec) as worker:
        error = worker.crashed()
    assert isinstance(error, OutOfLogError)
    assert str(error).startswith("credit-movements, partition 1: the log does not have offset 1000")
    with sinking(log, client, codec, **MissingOffsets.EARLIEST.consumer_settings) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert counted(client) == total(frame)
