"""Changes to the table of movements that are no migrations: how each of the two forms of it is named."""

from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.summed.grains import REACHED

TABLE: Final = "credit_movements"
# The answer comes when all replicas have done it, and all servers of a cluster, however long that takes.
UNTIL_DONE: Final = {"alter_sync": 2, "mutations_sync": 2, "distributed_ddl_task_timeout": -1}
_CLUSTER: Final = """
SELECT extract(engine_full, '^Distributed\\\\(\\'([^\\']+)\\'') FROM system.tables
WHERE database = currentDatabase() AND name = 'credit_movements'
"""
# Of these every server of a cluster has all rows.
_ON_EVERY_SERVER: Final = (REACHED,)


def stored_in(client: Client, table: str = TABLE) -> str:
    """Where the rows of `table` are, as ALTER and TRUNCATE name it. Of a cluster that is not the table over all shards."""
    found = client.query(_CLUSTER).result_rows
    cluster = str(found[0][0]) if found else ""
    if not cluster:
        return table
    # A cluster's name comes from ClickHouse, which got it from `setup`: letters, digits, - and _.
    return f"{table if table in _ON_EVERY_SERVER else f'{table}_local'} ON CLUSTER `{cluster}`"


def empty_movements(client: Client) -> None:
    """All rows go, on all servers."""
    client.command(f"TRUNCATE TABLE {stored_in(client)}", settings=UNTIL_DONE)
