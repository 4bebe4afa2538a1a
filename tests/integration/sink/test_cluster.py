"""The tables of a cluster, as far as chDB can have them: see `tests.clickhouse.cluster`. Readers are tested in both forms."""

from contextlib import closing
from typing import Any

import clickhouse_connect
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from credit_movements.audit.clickhouse.rows import count_rows
from sinks.read.balance import read_balance
from sinks.read.summed.grains import BY_KEY, BY_QUARTER, REACHED
from sinks.write.columns import movement_columns
from sinks.write.insert import insert_movements
from sinks.write.migrations import apply_migrations
from tests.clickhouse import cluster
from tests.clickhouse.databases import own_database
from tests.integration.records import minute, movements_table

_COLUMNS = (
    "SELECT name, type, default_expression, comment FROM system.columns"
    " WHERE database = currentDatabase() AND table = {table:String} ORDER BY position"
)


def columns(client: Client, table: str) -> list[Any]:
    return list(client.query(_COLUMNS, parameters={"table": table}).result_rows)


def test_both_forms_have_the_same_tables_for_the_sink_and_all_readers(
    database: str, clickhouse_of_a_cluster: str
) -> None:
    apply_migrations(database)
    with own_database(clickhouse_of_a_cluster, "cluster") as dsn:
        cluster.make_tables(dsn)
        with (
            closing(clickhouse_connect.get_client(dsn=database)) as one,
            closing(clickhouse_connect.get_client(dsn=dsn)) as many,
        ):
            for table in ("credit_movements", "credit_movements_once", BY_QUARTER, BY_KEY, REACHED):
                assert columns(one, table) == columns(many, table) != []


def test_replicated_tables_are_made_as_they_are_written(clickhouse_of_a_cluster: str) -> None:
    with (
        own_database(clickhouse_of_a_cluster, "replicated") as dsn,
        closing(clickhouse_connect.get_client(dsn=dsn)) as client,
    ):
        # chDB has no Keeper: a replicated table can be made here, and not be altered. Other tests alter the plain ones.
        for each in cluster.statements():
            if "ALTER TABLE" not in each:
                client.command(each)
        [(path, replica)] = client.query(
            "SELECT zookeeper_path, replica_name FROM system.replicas WHERE table = 'credit_movements_local'"
        ).result_rows
        database = dsn.rsplit("/", 1)[1]
        assert (path, replica) == (f"/clickhouse/tables/01/{database}/credit_movements_local", "first")


@pytest.mark.parametrize("tables", ["cluster"], indirect=True)
def test_what_the_sink_inserts_twice_is_on_its_shard_and_counts_once(tables: str) -> None:
    rows = movements_table([minute(account_id=f"acct-{number}", credit_movement_nanos=-5) for number in range(50)])
    block = movement_columns(rows, "log", np.zeros(50, dtype=np.int64), np.arange(50))
    with closing(clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False)) as client:
        insert_movements(client, block)
        assert client.command("SELECT count() FROM credit_movements_local") == 50
        insert_movements(client, block)
        assert client.command("SELECT count() FROM credit_movements_local") == 100
        assert [each.movements for each in read_balance(client, "acct-7")] == [1]
        assert count_rows(client, "log", {}, months=[]).new == {0: 50}
