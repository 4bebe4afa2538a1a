"""The three users of ClickHouse, each with what it needs and no more, as statements for an admin to run.

A test gives each user of an embedded ClickHouse these very grants, and has it do its work.
"""

from typing import Final

_PASSWORDS: Final = (
    "Set a password of its own for each: it is what CREDIT_CLICKHOUSE_DSN of that command or worker has."
)
# `setup`, `rebuild` and `erase`.
_SETUP: Final = (
    "GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW ON {database}.* TO credit_setup",
    "GRANT ALTER TABLE, OPTIMIZE, TRUNCATE, SELECT, INSERT ON {database}.* TO credit_setup",
)
_SUMS: Final = ("movement_sums_by_quarter", "movement_sums_by_key", "movement_sums_reached")
# It reads movements to add them up, and deletes sums by user of accounts that are erased while it writes them.
_SINK: Final = (
    "GRANT SELECT, INSERT ON {database}.credit_movements TO credit_sink",
    "GRANT SELECT ON {database}.erased_accounts TO credit_sink",
    *(f"GRANT SELECT, INSERT ON {{database}}.{table} TO credit_sink" for table in _SUMS),
    "GRANT ALTER DELETE ON {database}.movement_sums_by_key TO credit_sink",
)
# The exporter, `balance`, `spending`, `audit`.
_READER: Final = (
    "GRANT SELECT ON {database}.credit_movements TO credit_reader",
    "GRANT SELECT ON {database}.credit_movements_once TO credit_reader",
    "GRANT SELECT ON {database}.erased_accounts TO credit_reader",
    *(f"GRANT SELECT ON {{database}}.{table} TO credit_reader" for table in _SUMS),
)
# What a shard does for the table over all shards, it does as the user who asked, where the cluster has a <secret>.
_OF_CLUSTER: Final = (
    "GRANT CLUSTER ON *.* TO credit_setup",
    "GRANT CLUSTER ON *.* TO credit_sink",
    "GRANT SELECT, INSERT ON {database}.credit_movements_local TO credit_sink",
    "GRANT SELECT ON {database}.credit_movements_local TO credit_reader",
    *(f"GRANT SELECT, INSERT ON {{database}}.{table}_local TO credit_sink" for table in _SUMS[:2]),
    "GRANT ALTER DELETE ON {database}.movement_sums_by_key_local TO credit_sink",
    *(f"GRANT SELECT ON {{database}}.{table}_local TO credit_reader" for table in _SUMS[:2]),
)
USERS: Final = ("credit_setup", "credit_sink", "credit_reader")


def grants(database: str, of_cluster: bool) -> list[str]:
    """The statements, in the order of USERS; the cluster's last."""
    wanted = (*_SETUP, *_SINK, *_READER, *(_OF_CLUSTER if of_cluster else ()))
    return [each.format(database=_quoted(database)) for each in wanted]


def users_sql(database: str, cluster_name: str | None) -> str:
    """All that makes the users, for clickhouse-client."""
    on_cluster = "" if cluster_name is None else f" ON CLUSTER '{cluster_name}'"
    # No profile with readonly=1: each question brings the settings that make its answer whole.
    users = [f"CREATE USER IF NOT EXISTS {each}{on_cluster} IDENTIFIED BY 'PASSWORD OF {each}';" for each in USERS]
    granted = [f"GRANT{on_cluster}{each.removeprefix('GRANT')};" for each in grants(database, cluster_name is not None)]
    return "\n".join([f"-- {_PASSWORDS}", *users, *granted, ""])


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
