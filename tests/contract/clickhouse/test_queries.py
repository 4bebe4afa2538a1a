"""Connections and queries, as our code needs them of ClickHouse's HTTP interface.

clickhouse-connect asks, as in our code: the server that CREDIT_TEST_CLICKHOUSE_DSN names, or the embedded ClickHouse.
"""

import uuid
from urllib.parse import quote, urlsplit

import clickhouse_connect
import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError


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
