"""Brings the tables of ClickHouse up to date by numbered files. A file that was ever applied is never changed."""

from pathlib import Path
from typing import Final

from clickhouse_migrations.clickhouse_cluster import ClickhouseCluster
from clickhouse_migrations.connection import CLICKHOUSE_CONNECT
from clickhouse_migrations.migration import MigrationStorage

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def apply_migrations(dsn: str, ca_file: Path | None = None) -> list[str]:
    """Apply what the database of `dsn` (`http://user:password@host:port/database`) lacks; creates the database too.
    `ca_file`: certificates of those who vouch for an https:// ClickHouse; None: the system's.

    Gives the names of the files applied now, none if all were there. Raises clickhouse_connect's OperationalError where
    ClickHouse cannot be reached, DatabaseError where it refuses, MigrationException where an applied file has changed.
    """
    ca_cert = None if ca_file is None else str(ca_file)
    cluster = ClickhouseCluster(db_url=dsn, driver=CLICKHOUSE_CONNECT, ca_cert=ca_cert)
    applied = cluster.migrate(db_name=None, migration_path=MIGRATIONS)
    names = MigrationStorage(MIGRATIONS).migration_filenames()
    return [names[migration.version] for migration in applied]
