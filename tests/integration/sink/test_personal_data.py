"""Numbers called and users go from ClickHouse where they were erased or are old; amounts never change."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import clickhouse_connect
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from credit_movements.settings import SettingsError, settings_of
from sinks.read.balance import read_balance
from sinks.read.erased import PERSONAL, erased_accounts
from sinks.write.columns import movement_columns
from sinks.write.erase import erase_account
from sinks.write.insert import insert_movements
from sinks.write.retention import set_retention
from sinks.write.tables import stored_in
from tests.integration.records import minute, movements_table

ROWS = 30
KEPT = timedelta(days=400)
_MONEY = f"SELECT * EXCEPT ({', '.join(PERSONAL)}) FROM credit_movements FINAL ORDER BY account_id, log_offset"
# How many rows have any.
_PERSONAL = f"""
SELECT account_id, countIf({" OR ".join(f"isNotNull({name})" for name in PERSONAL)}) FROM credit_movements FINAL
GROUP BY account_id ORDER BY account_id
"""
one_server = pytest.mark.parametrize("tables", ["one server"], indirect=True)


@pytest.fixture
def client(tables: str) -> Any:
    with closing(clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False)) as client:
        yield client


def insert(client: Client, **fields: Any) -> None:
    """As the sink does it."""
    rows = [
        minute(
            movement_id=f"00000000-0000-4000-8000-{number:012x}", account_id=("acme", "others", "a' OR 1=1")[number % 3],
            credit_movement_nanos=-number, **{PERSONAL[number // 3 % len(PERSONAL)]: "anna"},
        ) | fields
        for number in range(ROWS)
    ]  # fmt: skip
    insert_movements(
        client, movement_columns(movements_table(rows), "log", np.zeros(ROWS, dtype=np.int64), np.arange(ROWS))
    )


def personal(client: Client) -> dict[str, int]:
    return dict(client.query(_PERSONAL).result_rows)


@one_server
@pytest.mark.parametrize("account_id", ["acme", "a' OR 1=1"])
def test_an_account_is_erased_and_no_other_and_no_amount_changes(client: Client, account_id: str) -> None:
    insert(client)
    before, balances = client.query(_MONEY).result_rows, read_balance(client, account_id)
    assert erase_account(client, account_id) == ROWS // 3
    assert personal(client) == {"a' OR 1=1": 10, "acme": 10, "others": 10} | {account_id: 0}
    assert (client.query(_MONEY).result_rows, read_balance(client, account_id)) == (before, balances)
    # A second time there is nothing to do.
    assert erase_account(client, account_id) == 0
    assert erased_accounts(client) == [account_id]


@one_server
def test_what_the_log_brings_back_comes_without_numbers_and_users(client: Client) -> None:
    erase_account(client, "acme")
    insert(client)
    insert(client)
    assert personal(client) == {"a' OR 1=1": 10, "acme": 0, "others": 10}


@one_server
def test_rows_that_were_on_their_way_while_an_account_was_erased_are_erased_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_arrow, erasures = client.insert_arrow, iter(["acme", "others"])

    def erased_before_it(*block: Any, **more: Any) -> Any:
        """The sink has asked by now, and its rows are not in: the rewriting finds nothing of them."""
        if (account_id := next(erasures, None)) is not None:
            erase_account(client, account_id)
        return insert_arrow(*block, **more)

    monkeypatch.setattr(client, "insert_arrow", erased_before_it)
    insert(client)
    assert personal(client) == {"a' OR 1=1": 10, "acme": 0, "others": 0}


@one_server
def test_old_movements_lose_numbers_and_users_and_nothing_else(client: Client) -> None:
    now = datetime.now(UTC)
    old, new = (int((now - each).timestamp() * 1e6) for each in (KEPT + timedelta(days=1), KEPT - timedelta(days=1)))
    insert(client, account_id="old", occurred_at=old)
    insert(client, account_id="new", occurred_at=new)
    before, balances = client.query(_MONEY).result_rows, read_balance(client, "old")
    assert set_retention(client, KEPT)
    assert not set_retention(client, KEPT)
    client.command("OPTIMIZE TABLE credit_movements FINAL")
    assert personal(client) == {"new": ROWS, "old": 0}
    assert (client.query(_MONEY).result_rows, read_balance(client, "old")) == (before, balances)
    # The log brings them back, until the next merge.
    insert(client, account_id="old", occurred_at=old)
    client.command("OPTIMIZE TABLE credit_movements FINAL")
    assert personal(client)["old"] == 0
    assert set_retention(client, timedelta(days=500))
    assert set_retention(client, None)
    assert not set_retention(client, None)
    insert(client, account_id="old", occurred_at=old)
    client.command("OPTIMIZE TABLE credit_movements FINAL")
    assert personal(client)["old"] == ROWS


@pytest.mark.parametrize("tables", ["cluster"], indirect=True)
def test_in_a_cluster_the_tables_of_the_shards_are_changed_on_all_servers(client: Client) -> None:
    assert stored_in(client) == "credit_movements_local ON CLUSTER `telephony`"


def test_a_retention_that_exports_cannot_do_with_is_refused() -> None:
    with pytest.raises(SettingsError, match="CREDIT_MOVEMENTS_RETENTION: must be 400 days or longer, P400D"):
        settings_of({"CREDIT_MOVEMENTS_RETENTION": "P399D"})
    assert settings_of({"CREDIT_MOVEMENTS_RETENTION": ""}).movements_retention is None
    assert settings_of({"CREDIT_MOVEMENTS_RETENTION": "P400D"}).movements_retention == KEPT
