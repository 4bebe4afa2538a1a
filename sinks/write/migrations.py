"""Brings the tables of ClickHouse up to date by numbered files. A file that was ever applied is never changed.

There are two forms of the tables, each with files of its own: one server, and a cluster of shards with replicas. Both end with
the same columns under the same names, which a test holds. Migrations go forward only. Each statement can be run twice, so a
file that failed half-way is run again from its beginning, and all are where a restore left tables out.
"""

import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_migrations.clickhouse_cluster import ClickhouseCluster
from clickhouse_migrations.connection import CLICKHOUSE_CONNECT
from clickhouse_migrations.exceptions import MigrationException
from clickhouse_migrations.migration import MigrationStorage
from clickhouse_migrations.migrator import STATUS_APPLIED, STATUS_PENDING
from clickhouse_migrations.util import quote_identifier, quote_string
from urllib3.exceptions import HTTPError

from kafka_io.errors import UserError
from sinks.read.summed.grains import REACHED

logger = logging.getLogger(__name__)

MIGRATIONS: Final = Path(__file__).parent / "migrations"
MIGRATIONS_OF_CLUSTER: Final = Path(__file__).parent / "migrations_of_cluster"
# Every server of the cluster keeps the list of what was applied. The library's own path would give servers of two shards that
# have the same {replica} one name.
_APPLIED_OF_CLUSTER: Final = "ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')"
_CLUSTER_NAME: Final = re.compile(r"[\w-]{1,128}", re.ASCII)
_LONGEST_TEXT: Final = 300
_OF_A_CLUSTER: Final = "Distributed"
_MADE: Final = re.compile(r"^CREATE (?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)


class MigrationFailedError(UserError):
    """The tables could not be brought up to date. The message says where it stopped, why, and what to do."""


def apply_migrations(dsn: str, ca_file: Path | None = None, cluster_name: str | None = None) -> list[str]:
    """Apply what the database of `dsn` (`http://user:password@host:port/database`) lacks; creates the database too.
    `ca_file`: certificates of those who vouch for an https:// ClickHouse; None: the system's. `cluster_name`: make those of a
    cluster; None: those of one server.

    Gives the names of the files applied now, none if all were there. Raises MigrationFailedError.
    """
    if cluster_name is not None and not _CLUSTER_NAME.fullmatch(cluster_name):
        raise MigrationFailedError(
            f"--cluster {cluster_name!r}: not the name of a cluster: letters, digits, - and _, as in `remote_servers` of the"
            " servers' configuration"
        )
    path = MIGRATIONS if cluster_name is None else MIGRATIONS_OF_CLUSTER
    cluster = ClickhouseCluster(
        db_url=dsn,
        driver=CLICKHOUSE_CONNECT,
        ca_cert=None if ca_file is None else str(ca_file),
        migrations_table_engine=None if cluster_name is None else _APPLIED_OF_CLUSTER,
    )
    return _applied(cluster, path, cluster_name)


def _applied(cluster: ClickhouseCluster, path: Path, cluster_name: str | None) -> list[str]:
    pending: list[str] = []
    try:
        _check_form(cluster, cluster_name)
        _forget_what_is_not_there(cluster, path, cluster_name)
        pending = _pending(cluster, path)
        # Where nothing is to do it checks that no applied file has changed.
        variables = None if cluster_name is None else {"CLUSTER": cluster_name}
        cluster.migrate(None, path, cluster_name=cluster_name, variables=variables)
    except (ClickHouseError, MigrationException, HTTPError, OSError) as error:
        cause = " ".join(str(error).split())[:_LONGEST_TEXT]
        raise MigrationFailedError(
            f"the migration of ClickHouse stopped at {_stopped_at(cluster, path, pending)}: {cause}. What was done stays, and"
            " harms nobody: mend the cause and run `credit-movements setup` again, it goes on there"
        ) from error
    return pending


def _forget_what_is_not_there(cluster: ClickhouseCluster, path: Path, cluster_name: str | None) -> None:
    """Where a table or view is missing that an applied file made, as a restore leaves them, no file counts as applied any more.
    Sums that are left may be of another time than the movements: first of all none of them counts, so `setup` writes them anew.
    """
    database = cluster.default_db_name or "default"
    names = MigrationStorage(path).migration_filenames()
    with cluster.connection("") as connection:
        found = connection.query(f"SELECT name FROM system.tables WHERE database = {quote_string(database)}")
        there = {str(row["name"]) for row in found}
        if cluster.migrations_table not in there:
            return
        made: dict[str, set[str]] = {STATUS_APPLIED: set(), STATUS_PENDING: set()}
        for row in cluster.status(None, path):
            if row.state in made:
                made[row.state] |= set(_MADE.findall((path / names[row.version]).read_text(encoding="utf-8")))
        # A file that failed half-way may have dropped a view that it makes anew.
        if not (missing := sorted(made[STATUS_APPLIED] - made[STATUS_PENDING] - there)):
            return
        logger.warning(
            "ClickHouse lacks %s: made again, and all sums of movements anew. If movements are lost, too, `credit-movements"
            " rebuild` reads them again from the log",
            ", ".join(missing),
        )
        of_cluster = "" if cluster_name is None else f" ON CLUSTER {quote_identifier(cluster_name)}"
        for table in (REACHED, cluster.migrations_table):
            place = f"{quote_identifier(database)}.{quote_identifier(table)}"
            connection.command(f"TRUNCATE TABLE IF EXISTS {place}{of_cluster}")


def _pending(cluster: ClickhouseCluster, path: Path) -> list[str]:
    """The names of the files that are not applied yet, in order."""
    names = MigrationStorage(path).migration_filenames()
    return [names[row.version] for row in cluster.status(None, path) if row.state == STATUS_PENDING]


def _stopped_at(cluster: ClickhouseCluster, path: Path, pending: list[str]) -> str:
    """The file that is now the first that is not applied; as it was before where ClickHouse does not say that any more."""
    with suppress(ClickHouseError, MigrationException, HTTPError, OSError):
        pending = _pending(cluster, path)
    return pending[0] if pending else "its beginning"


def _check_form(cluster: ClickhouseCluster, cluster_name: str | None) -> None:
    """The tables of one server do not become those of a cluster, nor the other way round."""
    database = cluster.default_db_name or "default"
    with cluster.connection("") as connection:
        found = connection.query(
            f"SELECT engine FROM system.tables WHERE database = {quote_string(database)} AND name = 'credit_movements'"
        )
    is_of_cluster = bool(found) and found[0]["engine"] == _OF_A_CLUSTER
    if found and is_of_cluster and cluster_name is None:
        raise MigrationFailedError(
            f"the tables of the database {database} are those of a cluster: run `credit-movements setup --cluster NAME`"
        )
    if found and not is_of_cluster and cluster_name is not None:
        raise MigrationFailedError(
            f"the tables of the database {database} are those of one server, and stay so: name a new database in"
            " CREDIT_CLICKHOUSE_DSN, and let the sinks fill it from the log (`credit-movements rebuild`)"
        )
