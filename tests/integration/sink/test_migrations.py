"""A migration that fails half-way says where, and the next run goes on there: on a real ClickHouse."""

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_migrations.migrator import Migrator

from sinks.write import migrations
from sinks.write.migrations import MIGRATIONS, MigrationFailedError, apply_migrations
from tests.clickhouse.databases import own_database

FILES = sorted(each.name for each in MIGRATIONS.glob("*.sql"))
_TABLES = """
SELECT table, name, type, default_expression, comment FROM system.columns
WHERE database = currentDatabase() AND table != 'schema_versions' ORDER BY table, position
"""


def tables(dsn: str) -> list[Any]:
    with closing(clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)) as client:
        return list(client.query(_TABLES).result_rows)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_fails_after_any_of_its_statements_is_gone_on_with(
    clickhouse: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    apply_migrations(database)
    monkeypatch.setattr(migrations, "MIGRATIONS", tmp_path / "files")
    shutil.copytree(MIGRATIONS, tmp_path / "files")
    spoiled, right = tmp_path / "files" / file, (MIGRATIONS / file).read_text(encoding="utf-8")
    statements = Migrator.script_to_statements(right, multi_statement=True)
    for done in range(len(statements) + 1):
        with own_database(clickhouse, "failed") as dsn:
            spoiled.write_text("\n".join([*statements[:done], "SELECT no_such_function();"]), encoding="utf-8")
            with pytest.raises(MigrationFailedError, match=f"stopped at {file}: .*no_such_function"):
                apply_migrations(dsn)
            spoiled.write_text(right, encoding="utf-8")
            assert apply_migrations(dsn) == FILES[FILES.index(file) :]
            assert tables(dsn) == tables(database)


def test_a_file_that_was_applied_and_changed_is_refused(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_migrations(database)
    monkeypatch.setattr(migrations, "MIGRATIONS", tmp_path / "files")
    shutil.copytree(MIGRATIONS, tmp_path / "files")
    with (tmp_path / "files" / FILES[-1]).open("a") as changed:
        changed.write("-- one more line\n")
    with pytest.raises(MigrationFailedError, match="md5 is not equal"):
        apply_migrations(database)


def test_a_server_that_is_away_is_one_line_without_the_password() -> None:
    with pytest.raises(MigrationFailedError) as failed:
        apply_migrations("http://user:a-secret@127.0.0.1:1/billing")
    assert str(failed.value).startswith("the migration of ClickHouse stopped at its beginning: ")
    assert "Connection refused" in str(failed.value)
    assert "a-secret" not in str(failed.value)
