"""Inserts: whole or not at all, whatever their form, and into the project's own table."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote, urlsplit

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from sinks.write.migrations import apply_migrations


@pytest.fixture(scope="module")
def movements_table(dsn: str) -> str:
    apply_migrations(dsn)
    return "credit_movements"


class TestInserts:
    @pytest.mark.parametrize("compression", [None, "lz4", "zstd", "gzip"])
    def test_rows_whatever_the_compression(self, dsn: str, numbers: str, compression: str | None) -> None:
        rows = [[number, f"text {number}"] for number in range(10_000)]
        with closing(clickhouse_connect.get_client(dsn=dsn, compress=compression or False)) as client:
            assert client.insert(numbers, rows, column_names=["number", "text"]).written_rows == len(rows)
            assert client.query(f"SELECT number, text FROM {numbers} ORDER BY number").result_rows == [
                tuple(row) for row in rows
            ]

    def test_an_arrow_table_says_how_many_rows_were_written(self, client: Client, numbers: str) -> None:
        table = pa.table({"number": pa.array(range(50_000), pa.uint64()), "text": ["x"] * 50_000})
        assert client.insert_arrow(numbers, table).written_rows == 50_000
        assert client.command(f"SELECT count() FROM {numbers}") == 50_000

    def test_the_statement_in_the_url_and_the_data_in_the_body(self, client: Client, numbers: str) -> None:
        def lines() -> Iterator[bytes]:
            for number in range(1000):
                yield b"%d,text\n" % number

        client.raw_insert(numbers, column_names=["number", "text"], insert_block=lines(), fmt="CSV")
        assert client.command(f"SELECT sum(number) FROM {numbers}") == 499_500

    def test_values_in_the_statement(self, client: Client, numbers: str) -> None:
        client.command(f"INSERT INTO {numbers} (number, text) VALUES (1, 'FORMAT CSV'), (2, 'b')")
        client.command(f"INSERT INTO {numbers} SELECT number + 1, text FROM {numbers}")
        assert client.command(f"SELECT count() FROM {numbers}") == 4

    def test_data_that_is_no_data_inserts_nothing(self, client: Client, numbers: str) -> None:
        with pytest.raises(DatabaseError):
            client.raw_insert(numbers, insert_block=b"1,one\n2,two\nno number,three\n", fmt="CSV")
        assert client.command(f"SELECT count() FROM {numbers}") == 0

    def test_a_refused_insert_does_not_spoil_the_connection(self, client: Client, numbers: str) -> None:
        table = pa.table({"number": pa.array(range(400_000), pa.uint64()), "text": ["x" * 50] * 400_000})
        with pytest.raises(DatabaseError) as refused:
            client.insert_arrow("nowhere", table)
        assert refused.value.code == 60
        assert client.insert_arrow(numbers, table).written_rows == 400_000

    @pytest.mark.parametrize("framing", ["chunks", "length"])
    def test_a_body_that_breaks_off_inserts_nothing(self, client: Client, dsn: str, numbers: str, framing: str) -> None:
        parts = urlsplit(dsn)
        statement = quote(f"INSERT INTO {parts.path.strip('/')}.{numbers} FORMAT CSV")
        head = (
            f"POST /?query={statement} HTTP/1.1\r\nHost: {parts.hostname}\r\n"
            f"X-ClickHouse-User: {parts.username}\r\nX-ClickHouse-Key: {parts.password}\r\n"
        )
        body = b"1,one\n2,two\n"
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            if framing == "chunks":
                connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"c\r\n" + body + b"\r\n")
            else:
                connection.sendall(f"{head}Content-Length: 100\r\n\r\n".encode() + body)
            time.sleep(0.2)
        time.sleep(0.2)
        assert client.command(f"SELECT count() FROM {numbers}") == 0

    def test_inserts_and_queries_of_many_clients_at_once(self, dsn: str, client: Client, numbers: str) -> None:
        failures: list[DatabaseError | OperationalError] = []

        def work(offset: int) -> None:
            with closing(clickhouse_connect.get_client(dsn=dsn)) as own:
                for step in range(10):
                    try:
                        own.insert(numbers, [[offset + step, "x"]], column_names=["number", "text"])
                        own.query(f"SELECT max(number) FROM {numbers}")
                    except (DatabaseError, OperationalError) as error:
                        failures.append(error)

        threads = [threading.Thread(target=work, args=(100 * index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert client.command(f"SELECT count() FROM {numbers}") == 80


class TestTheMovementsTable:
    """The project's own table, made by its own migrations."""

    ID = "0b9f7f3e-8f0f-4a55-9c6e-0123456789ab"

    def test_migrations_apply_once(self, dsn: str, movements_table: str) -> None:
        assert apply_migrations(dsn) == []

    def test_arrow_columns_arrive_exactly(self, client: Client, movements_table: str) -> None:
        """A UUID as text, money as Decimal128(18, 9), times as UTC microseconds."""
        instant = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)
        amounts = [Decimal("-999999999.999999999"), Decimal("0.000000001")]
        table = pa.table(
            {
                "account_id": ["Ä", "b"],
                "occurred_at": pa.array([instant] * 2, pa.timestamp("us", "UTC")),
                "movement_id": [self.ID, str(uuid.UUID(int=1))],
                "credit_movement": pa.array(amounts, pa.decimal128(18, 9)),
                "user_id": pa.array([None, "someone"], pa.large_string()),
                "rate_effective_from": pa.array([None, instant], pa.timestamp("us", "UTC")),
                "source_partition": pa.array([1, 2], pa.int32()),
            }
        )
        assert client.insert_arrow(movements_table, table).written_rows == 2
        columns = (
            "account_id, occurred_at, movement_id, credit_movement, user_id, rate_effective_from, source_partition"
        )
        rows = client.query(
            f"SELECT {columns} FROM {movements_table} FINAL ORDER BY account_id", tz_mode="aware"
        ).result_rows
        assert rows == [
            ("b", instant, uuid.UUID(int=1), amounts[1], "someone", instant, 2),
            ("Ä", instant, uuid.UUID(self.ID), amounts[0], None, None, 1),
        ]

    def test_a_row_written_twice_counts_once_under_final(self, client: Client, movements_table: str) -> None:
        client.command(f"TRUNCATE TABLE {movements_table}")
        table = pa.table({"account_id": ["a"], "movement_id": [self.ID], "credit_movement": [Decimal("-0.5")]})
        for _ in range(2):
            client.insert_arrow(movements_table, table)
        assert client.query(f"SELECT count(), sum(credit_movement) FROM {movements_table} FINAL").result_rows == [
            (1, Decimal("-0.5"))
        ]
