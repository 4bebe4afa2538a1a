"""Changes to the table of movements that are no migrations: how each of the two forms of it is named."""

from typing import Final

from clickhouse_connect.driver.client import Client

TABLE: Final = "credit_movements"
# The answer comes when all replicas have done it, and all servers of a cluster, however long that takes.
UNTIL_DONE: Final = {"alter_sync": 2, "mutations_sync": 2, "distributed_ddl_task_timeout": -1}
_CLUSTER: Final = """
SELECT extract(engine_full, '^Distributed\\\\(\\'([^\\']+)\\'') FROM system.tables
WHERE database = currentDatabase() AND name = 'credit_movements'
"""


def stored_in(client: Client) -> str:
    """The table that holds the rows, as ALTER and TRUNCATE name it. Of a cluster that is not the table over all shards."""
    found = client.query(_CLUSTER).result_rows
    cluster = str(found[0][0]) if found else ""
    # A cluster's name comes from ClickHouse, which got it from `setup`: letters, digits, - and _.
    return f"{TABLE}_local ON CLUSTER `{cluster}`" if cluster else TABLE


def empty_movements(client: Client) -> None:
    """All rows go, on all servers."""
    client.command(f"TRUNCATE TABLE {stored_in(client)}", settings=UNTIL_DONE)
