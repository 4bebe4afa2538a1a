"""Results that stream: whole, in order, beside other queries, and with their errors."""

import os
from contextlib import closing

import clickhouse_connect
import pyarrow as pa
import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

ROWS = 300_000
embedded_only = pytest.mark.skipif(
    "CREDIT_TEST_CLICKHOUSE_DSN" in os.environ, reason="of the embedded ClickHouse alone; a server is at work here"
)


@pytest.fixture(scope="module")
def table(dsn: str) -> str:
    """A table of ROWS rows, the number of each and a text."""
    with closing(clickhouse_connect.get_client(dsn=dsn)) as client:
        client.command("CREATE TABLE streamed (number UInt64, text String) ENGINE = MergeTree ORDER BY number")
        client.command(f"INSERT INTO streamed SELECT number, concat('text ', toString(number)) FROM numbers({ROWS})")
    return "streamed"


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
