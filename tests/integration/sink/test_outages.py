"""Crashes and outages at any step of the sink's loop: no row is lost, and none counts twice."""

from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from confluent_kafka.schema_registry import SchemaRegistryClient

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service, registry_service
from credit_movements.supervision.processes import running
from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.migrations import apply_migrations
from tests.conftest import free_port
from tests.integration.sink.movements_log import append, movements, total
from tests.integration.sink.workers import SimulatedCrashError, committed, counted, ends, sinking, wait_until, written


class CrashesAfterInsert:
    """Dies when the rows are in ClickHouse and the offsets are not committed."""

    def __init__(self, client: Client, inserts: int) -> None:
        self._client = client
        self._inserts = inserts

    def query(self, *asked: Any, **how: Any) -> Any:
        return self._client.query(*asked, **how)

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
        self.lost_rows = 0

    def query(self, *asked: Any, **how: Any) -> Any:
        return self._client.query(*asked, **how)

    def insert_arrow(self, table: str, rows: pa.Table, settings: dict[str, Any]) -> None:
        self._client.insert_arrow(table, rows, settings=settings)
        self._times -= 1
        if self._times >= 0:
            self.lost_rows += len(rows)
            raise OperationalError("the connection was lost")


def test_an_insert_of_unknown_outcome_is_sent_again_and_counts_once(
    log: str, client: Client, codec: RecordCodec
) -> None:
    frame = movements(100)
    append(log, codec.encode(frame))
    losing = LosesAnswers(client, 3)
    with sinking(log, losing, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        assert worker.registry.get_sample_value("credit_sink_retries_total", {"waiting_for": "ClickHouse"}) == 3
    assert losing.lost_rows >= 3
    assert written(client) == len(frame) + losing.lost_rows
    assert counted(client) == total(frame)


def test_a_missing_table_is_waited_for_and_says_what_would_help(log: str, database: str, codec: RecordCodec) -> None:
    frame = movements(30)
    append(log, codec.encode(frame))
    with clickhouse_connect.get_client(dsn=database, autogenerate_session_id=False) as client:
        with sinking(log, client, codec) as worker:
            wait_until(lambda: "credit-movements setup" in worker.sink.health.waiting_for.get("ClickHouse", ""))
            assert worker.sink.health.committed == {}
            apply_migrations(database)
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


def test_it_stops_at_once_while_clickhouse_is_down(log: str, client: Client, codec: RecordCodec) -> None:
    append(log, codec.encode(movements(10)))
    with sinking(log, LosesAnswers(client, 10**9), codec) as worker:
        wait_until(lambda: "ClickHouse" in worker.sink.health.waiting_for)
        assert worker.end() < 2.0
    assert worker.error is None
    assert committed(log)[0] < 0
