"""What the embedded server reads off a statement before ClickHouse gets it."""

import pytest

from credit_movements.embedded.clickhouse.statements import insert_head, is_read, output_format


@pytest.mark.parametrize(
    ("text", "statement", "name", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t", "CSV", b"1,2\n"),
        (b"insert into t format Native\r\n\n\x00", "insert into t", "Native", b"\n\x00"),
        (
            b"INSERT INTO d.t (a, `format`) FORMAT ArrowStream\n\xff",
            "INSERT INTO d.t (a, `format`)",
            "ArrowStream",
            b"\xff",
        ),
        (
            b"INSERT INTO t SETTINGS x = 'FORMAT y' FORMAT CSV ;\n1",
            "INSERT INTO t SETTINGS x = 'FORMAT y'",
            "CSV",
            b"1",
        ),
        (
            b"-- FORMAT a\n/* FORMAT b */ INSERT INTO t\nFORMAT CSV\n",
            "-- FORMAT a\n/* FORMAT b */ INSERT INTO t",
            "CSV",
            b"",
        ),
        (b"INSERT INTO t FORMAT JSONEachRow {}", "INSERT INTO t", "JSONEachRow", b"{}"),
    ],
)
def test_an_insert_ends_where_its_data_begin(text: bytes, statement: str, name: str, data: bytes) -> None:
    head = insert_head(text)
    assert head is not None
    assert (head.statement, head.format, text[head.data_offset :]) == (statement, name, data)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t VALUES (1, ' FORMAT CSV')",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t (a) WITH 1 AS one SELECT one",
        b"INSERT INTO t FROM INFILE 'f' FORMAT CSV",
        b"INSERT INTO t",
        b"INSERT INTO t FORMAT",
    ],
)
def test_other_statements_bring_no_data(text: bytes) -> None:
    assert insert_head(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"SELECT 1", None),
        (b"SELECT 1\n FORMAT Native", "Native"),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV"),
        (b"SELECT 'FORMAT CSV'", None),
        (b"SELECT 'it''s FORMAT CSV', 'a\\' FORMAT b'", None),
        (b"SELECT 1 -- FORMAT CSV", None),
        (b"SELECT * FROM (SELECT 1 FORMAT CSV)", None),
        (b"SELECT 1 AS format FORMAT JSON;", "JSON"),
        (b"SELECT 1 FORMAT /* as */ CSV -- rows", "CSV"),
        (b"SELECT format FROM t", None),
        (b"SELECT format('{}', 1) AS text FROM t", None),
        (b"SELECT 1 AS format", None),
        (b"SELECT format, b", None),
        (b"FORMAT CSV", "CSV"),
    ],
)
def test_the_format_of_a_result(text: bytes, name: str | None) -> None:
    assert output_format(text) == name


def test_only_selects_are_reads() -> None:
    assert all(is_read(text) for text in (b"SELECT 1", b" with 1 AS a select a", b"(SELECT 1)", b"/* x */ SELECT 1"))
    assert not any(is_read(text) for text in (b"", b"INSERT INTO t SELECT 1", b"SHOW TABLES", b"'SELECT'"))
