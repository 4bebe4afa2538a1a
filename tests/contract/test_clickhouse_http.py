"""What our code needs of ClickHouse's HTTP interface, asked through clickhouse-connect.

Runs against the embedded ClickHouse or, with CREDIT_TEST_CLICKHOUSE_DSN, against a server.
"""

import os
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
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, StreamFailureError

from sinks.write.migrations import apply_migrations

ROWS = 300_000

embedded_only = pytest.mark.skipif(
    "CREDIT_TEST_CLICKHOUSE_DSN" in os.environ, reason="of the embedded ClickHouse alone; a server is at work here"
)


@pytest.fixture(scope="module")
def dsn(clickhouse: str) -> Iterator[str]:
    """A database of this module's own."""
    name = f"contract_{uuid.uuid4().hex}"
    with closing(clickhouse_connect.get_client(dsn=clickhouse)) as client:
        client.command(f"CREATE DATABASE {name}")
        yield urlsplit(clickhouse)._replace(path=f"/{name}").geturl()
        client.command(f"DROP DATABASE {name}")


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    with closing(clickhouse_connect.get_client(dsn=dsn)) as client:
        yield client


@pytest.fixture
def numbers(client: Client) -> str:
    """A table of a number and a text each, empty."""
    name = f"numbers_{uuid.uuid4().hex}"
    client.command(f"CREATE TABLE {name} (number UInt64, text String) ENGINE = MergeTree ORDER BY number")
    return name


@pytest.fixture(scope="module")
def table(dsn: str) -> str:
    """A table of ROWS rows, the number of each and a text."""
    with closing(clickhouse_connect.get_client(dsn=dsn)) as client:
        client.command("CREATE TABLE streamed (number UInt64, text String) ENGINE = MergeTree ORDER BY number")
        client.command(f"INSERT INTO streamed SELECT number, concat('text ', toString(number)) FROM numbers({ROWS})")
    return "streamed"


@pytest.fixture(scope="module")
def ledger(dsn: str) -> str:
    apply_migrations(dsn)
    return "credit_movements"


def with_password(dsn: str, password: str) -> str:
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}").geturl()


def get(dsn: str, query: str) -> urllib3.BaseHTTPResponse:
    """A plain GET with the DSN's user, for what clickhouse-connect never sends."""
    parts = urlsplit(dsn)
    credentials = {"X-ClickHouse-User": parts.username or "", "X-ClickHouse-Key": parts.password or ""}
    with urllib3.PoolManager() as pool:
        return pool.request("GET", f"http://{parts.hostname}:{parts.port}/?{query}", headers=credentials)


class TestTheConnection:
    def test_answers_a_ping(self, client: Client) -> None:
        assert client.ping()

    def test_says_that_its_time_zone_is_utc(self, client: Client) -> None:
        assert str(client.server_tz) == "UTC"

    @pytest.mark.parametrize("user", ["the same", "nobody"])
    def test_a_wrong_user_or_password_is_refused_by_number(self, dsn: str, user: str) -> None:
        wrong = with_password(dsn, "wrong")
        if user == "nobody":
            wrong = dsn.replace(f"//{urlsplit(dsn).username}:", "//nobody:")
        with pytest.raises(DatabaseError) as refused:
            clickhouse_connect.get_client(dsn=wrong)
        assert refused.value.code == 516
        assert refused.value.name == "AUTHENTICATION_FAILED"

    def test_credentials_may_come_in_headers_in_the_url_or_by_basic_authentication(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        base = f"http://{parts.hostname}:{parts.port}/?query=SELECT%201"
        by_url = f"{base}&user={parts.username}&password={parts.password}"
        by_basic = urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password}")
        by_headers = {"X-ClickHouse-User": parts.username or "", "X-ClickHouse-Key": parts.password or ""}
        with urllib3.PoolManager() as pool:
            answers = [
                pool.request("GET", by_url),
                *(pool.request("GET", base, headers=h) for h in (by_basic, by_headers)),
            ]
            refused = pool.request("GET", base)
        assert [answer.data for answer in answers] == [b"1\n"] * 3
        assert refused.status in {401, 403}

    def test_a_database_that_is_not_there_is_named(self, dsn: str) -> None:
        with pytest.raises(DatabaseError, match="nowhere") as refused:
            clickhouse_connect.get_client(dsn=dsn, database="nowhere").close()
        assert refused.value.code == 81


class TestQueries:
    def test_a_parameter_is_a_value_whatever_is_in_it(self, client: Client) -> None:
        for text in ("plain", "it's", "tab\tand\nline", "back\\slash", "'; DROP TABLE t; --", "ünï☃", ""):
            assert client.query("SELECT {text:String}", parameters={"text": text}).result_rows == [(text,)]

    def test_typed_parameters(self, client: Client) -> None:
        rows = client.query(
            "SELECT {at:DateTime64(6, 'UTC')}, {number:Int64}, {id:UUID}",
            parameters={"at": "2026-01-02 03:04:05.678901", "number": -5, "id": str(uuid.UUID(int=7))},
        ).result_rows
        assert rows[0][1:] == (-5, uuid.UUID(int=7))

    def test_parameters_too_long_for_a_url(self, client: Client) -> None:
        text = "é" * 100_000
        assert client.query("SELECT length({text:String})", parameters={"text": text}).result_rows == [(200_000,)]

    def test_a_statement_may_be_long(self, client: Client) -> None:
        assert client.query(f"SELECT '{'x' * 200_000}' AS text").result_rows == [("x" * 200_000,)]

    def test_settings_reach_the_query(self, client: Client) -> None:
        assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 3}).result_rows == [(3,)]

    def test_the_settings_of_a_query_are_no_other_querys(self, client: Client) -> None:
        client.query("SELECT 1", settings={"max_block_size": 77})
        assert client.query("SELECT getSetting('max_block_size')").result_rows != [(77,)]

    def test_an_unknown_setting_is_refused(self, dsn: str) -> None:
        answer = get(dsn, "query=SELECT%201&no_such_setting=1")
        assert answer.headers["X-ClickHouse-Exception-Code"] == "115"
        assert b"no_such_setting" in answer.data

    def test_the_format_may_be_named_in_the_statement_beside_it_or_not_at_all(self, client: Client, dsn: str) -> None:
        assert client.raw_query("SELECT 1 AS one FORMAT JSONEachRow") == b'{"one":1}\n'
        assert client.raw_query("SELECT 'FORMAT Native' AS one", fmt="CSV") == b'"FORMAT Native"\n'
        assert client.raw_query("SELECT 1, 2") == b"1\t2\n"
        assert get(dsn, "default_format=CSVWithNames&query=SELECT%201%20AS%20one").data == b'"one"\n1\n'

    def test_a_get_cannot_write(self, dsn: str, client: Client, numbers: str) -> None:
        table = urlsplit(dsn).path.strip("/") + "." + numbers
        answer = get(dsn, "query=" + quote(f"INSERT INTO {table} SELECT 1, ''"))
        assert answer.headers["X-ClickHouse-Exception-Code"] == "164"
        assert client.command(f"SELECT count() FROM {numbers}") == 0

    def test_no_rows_still_have_columns(self, client: Client, numbers: str) -> None:
        table = client.query_arrow(f"SELECT number, text FROM {numbers}")
        assert table.schema.names == ["number", "text"]
        assert table.num_rows == 0
        assert client.query(f"SELECT number FROM {numbers} LIMIT 0").column_names == ("number",)
        assert client.query(f"SELECT number FROM {numbers}").result_rows == []

    def test_a_query_that_cannot_be_is_refused_by_number(self, client: Client) -> None:
        for statement, code in (("SELEC 1", 62), ("SELECT * FROM nowhere", 60), ("SELECT nothing", 47)):
            with pytest.raises(DatabaseError) as refused:
                client.query(statement)
            assert refused.value.code == code


class TestStreams:
    def test_an_arrow_stream_is_the_whole_result_in_order(self, client: Client, table: str) -> None:
        with client.query_arrow_stream(f"SELECT * FROM {table} ORDER BY number") as batches:
            streamed = pa.Table.from_batches(batches)
        assert streamed["number"].to_pylist() == list(range(ROWS))
        assert streamed["text"][ROWS - 1].as_py() == f"text {ROWS - 1}"
        assert client.query_arrow(f"SELECT * FROM {table} ORDER BY number") == streamed

    def test_low_cardinality_columns_stream_too(self, client: Client) -> None:
        query = "SELECT toLowCardinality(toString(number % 5)) AS text FROM numbers(200000)"
        for settings in ({}, {"output_format_arrow_low_cardinality_as_dictionary": 1}):
            with client.query_arrow_stream(query, settings=settings) as batches:
                texts = [text for batch in batches for text in batch.column("text").to_pylist()]
            assert texts == list("01234" * 40_000)

    def test_native_blocks(self, client: Client, table: str) -> None:
        with client.query_row_block_stream(f"SELECT number FROM {table} ORDER BY number") as blocks:
            counts = [len(block) for block in blocks]
        assert sum(counts) == ROWS
        assert len(counts) > 1

    def test_a_raw_stream(self, client: Client, table: str) -> None:
        with closing(client.raw_stream(f"SELECT number FROM {table} ORDER BY number", fmt="CSV")) as stream:
            assert stream.read() == b"".join(b"%d\n" % number for number in range(ROWS))

    def test_queries_and_inserts_run_beside_an_open_stream(self, client: Client, table: str, numbers: str) -> None:
        with client.query_arrow_stream(f"SELECT * FROM {table}", settings={"max_block_size": 1000}) as batches:
            next(iter(batches))
            client.insert(numbers, [[1, "one"]], column_names=["number", "text"])
            assert client.command(f"SELECT count() FROM {numbers}") == 1
            assert client.command(f"SELECT count() FROM {table}") == ROWS

    def test_a_client_that_leaves_in_the_middle_harms_nobody(self, client: Client, table: str) -> None:
        statement = "SELECT number, repeat('x', 1000) FROM numbers(100000000)"
        response = client.raw_stream(statement, fmt="CSV")
        assert response.read(1000)
        response.close()
        assert client.command(f"SELECT count() FROM {table}") == ROWS

    def test_an_error_in_the_middle_is_noticed(self, client: Client) -> None:
        query = "SELECT number, throwIf(number = 2000000) FROM numbers(3000000)"
        with pytest.raises(StreamFailureError, match="throwIf"), client.query_row_block_stream(query) as blocks:
            for _ in blocks:
                pass

    @embedded_only
    def test_an_error_in_the_middle_of_a_raw_stream_breaks_the_connection(self, client: Client) -> None:
        query = "SELECT number, throwIf(number = 2000000) FROM numbers(3000000)"
        stream = client.raw_stream(query, fmt="CSV")
        with pytest.raises(urllib3.exceptions.ProtocolError):
            stream.read()
        stream.close()

    def test_with_wait_end_of_query_an_error_in_the_middle_is_the_answer(self, client: Client) -> None:
        query = "SELECT number, throwIf(number = 2000000) FROM numbers(3000000)"
        with pytest.raises(DatabaseError) as refused:
            client.raw_stream(query, fmt="CSV", settings={"wait_end_of_query": 1})
        assert refused.value.code == 395


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


class TestTheLedger:
    """The project's own table, made by its own migrations."""

    ID = "0b9f7f3e-8f0f-4a55-9c6e-0123456789ab"

    def test_migrations_apply_once(self, dsn: str, ledger: str) -> None:
        assert apply_migrations(dsn) == []

    def test_arrow_columns_arrive_exactly(self, client: Client, ledger: str) -> None:
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
        assert client.insert_arrow(ledger, table).written_rows == 2
        columns = (
            "account_id, occurred_at, movement_id, credit_movement, user_id, rate_effective_from, source_partition"
        )
        rows = client.query(f"SELECT {columns} FROM {ledger} FINAL ORDER BY account_id", tz_mode="aware").result_rows
        assert rows == [
            ("b", instant, uuid.UUID(int=1), amounts[1], "someone", instant, 2),
            ("Ä", instant, uuid.UUID(self.ID), amounts[0], None, None, 1),
        ]

    def test_a_row_written_twice_counts_once_under_final(self, client: Client, ledger: str) -> None:
        client.command(f"TRUNCATE TABLE {ledger}")
        table = pa.table({"account_id": ["a"], "movement_id": [self.ID], "credit_movement": [Decimal("-0.5")]})
        for _ in range(2):
            client.insert_arrow(ledger, table)
        assert client.query(f"SELECT count(), sum(credit_movement) FROM {ledger} FINAL").result_rows == [
            (1, Decimal("-0.5"))
        ]
