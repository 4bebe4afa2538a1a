"""What `setup --cluster` sends to ClickHouse, held by a golden file: a cluster cannot be had here."""

from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_migrations.clickhouse_cluster import ClickhouseCluster

from sinks.write.migrations import MIGRATIONS_OF_CLUSTER, MigrationFailedError, apply_migrations

GOLDEN = Path(__file__).with_name("cluster.sql")
DSN = "http://user:a-secret@127.0.0.1:1/billing"


class Recorded:
    """A connection to a ClickHouse without tables, which notes the statements that would change something."""

    def __init__(self, statements: list[str], engine: str | None = None) -> None:
        self.statements = statements
        self._engine = engine
        self._applied: list[dict[str, Any]] = []

    def __enter__(self) -> "Recorded":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def query(self, text: str) -> list[dict[str, Any]]:
        if "engine" in text:
            return [{"engine": self._engine}] if self._engine else []
        return [{"n": min(len(self._applied), 1)}] if "count()" in text else self._applied

    def command(self, text: str, **_: str) -> None:
        self.statements.append(text)

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        self._applied += [{"applied_at": None} | row for row in rows]
        self.statements += [f"-- noted as applied in {table}: {row['version']}" for row in rows]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    connection = Recorded([])
    monkeypatch.setattr(ClickhouseCluster, "connection", lambda *_: connection)
    return connection.statements


def test_the_tables_of_a_cluster_are_these(statements: list[str]) -> None:
    applied = apply_migrations(DSN, cluster_name="telephony")
    assert applied == sorted(each.name for each in MIGRATIONS_OF_CLUSTER.glob("*.sql"))
    sent = [each if each.startswith("--") else each.rstrip(";\n ") + ";" for each in statements]
    assert "\n".join(sent) + "\n" == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", "a.b", "a'b", "a b", "ä", "x" * 129, "${HOME}"])
def test_a_name_that_no_cluster_can_have_is_refused(statements: list[str], name: str) -> None:
    with pytest.raises(MigrationFailedError, match="not the name of a cluster"):
        apply_migrations(DSN, cluster_name=name)
    assert statements == []


@pytest.mark.parametrize(
    ("engine", "cluster_name", "said"),
    [("Distributed", None, "are those of a cluster"), ("ReplacingMergeTree", "telephony", "are those of one server")],
)
def test_tables_of_one_form_are_not_made_those_of_the_other(
    monkeypatch: pytest.MonkeyPatch, engine: str, cluster_name: str | None, said: str
) -> None:
    noted: list[str] = []
    monkeypatch.setattr(ClickhouseCluster, "connection", lambda *_: Recorded(noted, engine))
    with pytest.raises(MigrationFailedError, match=said):
        apply_migrations(DSN, cluster_name=cluster_name)
    assert noted == []


def test_a_failure_says_at_which_file_and_what_to_do_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Recorded):
        def command(self, text: str, **_: str) -> None:
            super().command(text)
            if "FROM credit_movements FINAL" in text:
                raise DatabaseError("Not enough\nprivileges")

    connection = Refusing([])
    monkeypatch.setattr(ClickhouseCluster, "connection", lambda *_: connection)
    with pytest.raises(MigrationFailedError) as failed:
        apply_migrations(DSN)
    assert str(failed.value).startswith(
        "the migration of ClickHouse stopped at 0002_credit_movements_once.sql: Not enough privileges. "
    )
    assert str(failed.value).endswith("run `credit-movements setup` again, it goes on there")
    assert [each for each in connection.statements if each.startswith("-- noted")] == [
        '-- noted as applied in "schema_versions": 1'
    ]
