"""Each of the three users of ClickHouse can do its work, and nothing else. ClickHouse itself holds them to their grants."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import clickhouse_connect
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from credit_movements.audit.clickhouse.rows import NO_END, NO_MONTH, count_rows, read_rows, rows_at
from credit_movements.setup.clickhouse_users import USERS, users_sql
from exporter.web.readiness import clickhouse_check
from kafka_io.reading import Span
from sinks.read.adjustments import adjustments_that_name_a_movement
from sinks.read.balance import read_balance
from sinks.read.erased import erased_accounts
from sinks.read.movements import stream_movements
from sinks.read.one_movement import adjustments_of, movements_of_id
from sinks.read.slice import MovementsSlice
from sinks.read.summed.reach import Reach, Summed, summed
from sinks.read.usage import count_usage, stream_usage
from sinks.write.brand import check_brand, mark_brand
from sinks.write.columns import movement_columns
from sinks.write.erase import erase_account
from sinks.write.insert import explain_refusal, insert_movements
from sinks.write.migrations import MIGRATIONS, apply_migrations
from sinks.write.retention import set_retention
from sinks.write.sums.of_ledger import sum_span
from sinks.write.sums.store import delete_users, empty_sums, insert_reach, insert_repeats
from sinks.write.tables import empty_movements
from tests.clickhouse.users import working_as
from tests.integration.records import YESTERDAY, minute, movements_table

READS = (
    "SELECT count() FROM credit_movements",
    "SELECT count() FROM credit_movements_once",
    "SELECT count() FROM schema_versions",
)
WRITES = (
    "INSERT INTO credit_movements (account_id) VALUES ('a')",
    "INSERT INTO erased_accounts (account_id) VALUES ('a')",
)
CHANGES = (
    "TRUNCATE TABLE credit_movements",
    "DROP TABLE credit_movements",
    "ALTER TABLE credit_movements DELETE WHERE 1",
    "ALTER TABLE movement_sums_by_quarter DELETE WHERE 1",
    "TRUNCATE TABLE movement_sums_reached",
    "ALTER TABLE credit_movements UPDATE user_id = NULL WHERE 1",
    "CREATE TABLE more (id Int64) ENGINE = MergeTree ORDER BY id",
    "OPTIMIZE TABLE credit_movements FINAL",
    "CREATE DATABASE more",
)
ELSEWHERE = ("SELECT * FROM system.users", "CREATE DATABASE other", "DROP DATABASE billing", "CREATE USER mallory")


def refused(client: Client, statements: tuple[str, ...]) -> list[str]:
    """Those that ClickHouse refuses for want of a grant."""
    found = []
    for each in statements:
        try:
            client.command(each)
        except DatabaseError as error:
            if error.name == "ACCESS_DENIED":
                found.append(each)
    return found


def everything_read(client: Client) -> int:
    """All questions of the exporter, `balance`, `audit`, `explain` and `rates diff`."""
    assert clickhouse_check(lambda: client)() is None
    wanted = MovementsSlice("acme", YESTERDAY, YESTERDAY + 1, "log", 0, NO_END)
    blocks = list(stream_movements(client, wanted))
    spans, everything = {0: Span(0, NO_END)}, count_rows(client, "log", {}, months=[])
    read = read_rows(client, "log", spans, {}, 0, NO_MONTH, 0)
    assert everything.new[0] == len(read[0].table) == len(rows_at(client, "log", 0, list(range(10)))) == 5
    assert erased_accounts(client) == ["nobody"]
    assert read_balance(client, "acme")[0].movements == 5
    assert summed(client, "acme") == Summed("log", 0, 10)
    moved = str(client.query("SELECT any(movement_id) FROM credit_movements WHERE account_id = 'acme'").first_row[0])
    assert [row["account_id"] for row in movements_of_id(client, moved, None)] == ["acme"]
    assert adjustments_of(client, "acme", moved) == []
    assert adjustments_that_name_a_movement(client, "adjustment-events").is_empty()
    usage = (YESTERDAY, YESTERDAY + 1, "usage-events")
    assert count_usage(client, *usage) == sum(map(len, stream_usage(client, *usage, 5, with_ids=True))) == 5
    return sum(map(len, blocks))


def test_each_user_can_do_its_work_and_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with working_as("credit_setup", data, tmp_path) as dsn:
        assert len(apply_migrations(dsn)) == len(list(MIGRATIONS.glob("*.sql")))
        assert apply_migrations(dsn) == []
        with closing(clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)) as client:
            assert set_retention(client, timedelta(days=400))
            assert set_retention(client, None)
            mark_brand(client, "acme.")
            client.command("INSERT INTO credit_movements (account_id, user_id) VALUES ('nobody', 'anna')")
            assert erase_account(client, "nobody") == 1
            empty_movements(client)
            empty_sums(client)
            assert refused(client, ELSEWHERE) == list(ELSEWHERE)
    with (
        working_as("credit_sink", data, tmp_path) as dsn,
        closing(clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)) as client,
    ):
        assert check_brand(client, "billing", "acme.")
        rows = movements_table([minute() for _ in range(5)])
        insert_movements(client, movement_columns(rows, "log", np.zeros(5, dtype=np.int64), np.arange(5)))
        # It adds up blocks that it has not read whole.
        sum_span(client, "log", 0, Span(0, 10), 10, [])
        insert_reach(client, "log", {0: Reach(10, 10)})
        insert_repeats(client, "log", 1)
        delete_users(client, ["nobody"])
        other = (*READS[1:], WRITES[1], *CHANGES, *ELSEWHERE)
        assert refused(client, other) == list(other)
    with (
        working_as("credit_reader", data, tmp_path) as dsn,
        closing(clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)) as client,
    ):
        assert check_brand(client, "billing", "acme.")
        other = (READS[2], *WRITES, *CHANGES, *ELSEWHERE)
        assert refused(client, other) == list(other)
        with pytest.raises(DatabaseError) as denied:
            insert_movements(client, movement_columns(rows, "log", np.zeros(5, dtype=np.int64), np.arange(5)))
        assert "docs/production/clickhouse.md lists those of the sink" in explain_refusal(denied.value)
        assert everything_read(client) == 5


def test_the_statements_for_an_admin_name_a_cluster_where_there_is_one() -> None:
    one, many = users_sql("billing", None), users_sql("billing", "telephony")
    for user in USERS:
        assert f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY 'PASSWORD OF {user}';" in one
        assert f"CREATE USER IF NOT EXISTS {user} ON CLUSTER 'telephony' IDENTIFIED" in many
    assert "GRANT SELECT ON `billing`.credit_movements TO credit_reader;" in one
    assert "GRANT ON CLUSTER 'telephony' SELECT ON `billing`.credit_movements_local TO credit_reader;" in many
    assert "CLUSTER" not in one
    assert "`a\\`b`.credit_movements" in users_sql("a`b", None)
