"""The tables on a real ClickHouse: migrations, columns to the last digit and byte, balances."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import clickhouse_connect
import numpy as np
import polars as pl
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.read.balance import Balance, read_balance
from sinks.write.columns import movement_columns
from sinks.write.insert import insert_movements
from sinks.write.migrations import apply_migrations

LARGEST_NANOS = 10**18 - 1
EARLIEST_MICROS = -2_208_988_800_000_000  # 1900-01-01
LATEST_MICROS = 10_382_342_400_000_000 - 1  # 2299-01-01
ODD_ID = '\0 it\'s "quoted" \\ back\\slash\t\n\r {x:String} %s ünï-🍕'

SCHEMA = {
    "movement_id": pl.String,
    "account_id": pl.String,
    "interaction_id": pl.String,
    "description": pl.String,
    "occurred_at": pl.Int64,
    "quantity": pl.Int64,
    "unit": pl.String,
    "units_charged": pl.Int64,
    "price_nanos": pl.Int64,
    "price_units": pl.Int64,
    "credit_movement_nanos": pl.Int64,
    "currency": pl.String,
    "user_id": pl.String,
    "destination": pl.String,
    "rate_card_id": pl.String,
    "destination_prefix": pl.String,
    "rate_effective_from": pl.Int64,
    "source_topic": pl.String,
    "source_partition": pl.Int64,
    "source_offset": pl.Int64,
    "corrected_movement_id": pl.String,
    "reason": pl.String,
    "direction": pl.String,
    "from_number": pl.String,
    "campaign_id": pl.String,
    "destination_name": pl.String,
}


@pytest.fixture
def dsn(database: str) -> str:
    return database


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    apply_migrations(dsn)
    with clickhouse_connect.get_client(dsn=dsn) as client:
        yield client


def movement(**fields: Any) -> dict[str, Any]:
    return {
        "movement_id": str(uuid.uuid4()),
        "account_id": "acme",
        "interaction_id": "call-1",
        "description": "call",
        "occurred_at": 1_700_000_000_000_001,
        "quantity": 61,
        "unit": "seconds",
        "units_charged": 120,
        "price_nanos": 1,
        "price_units": 1,
        "credit_movement_nanos": -120,
        "currency": "EUR",
        "user_id": None,
        "destination": None,
        "rate_card_id": "default",
        "destination_prefix": "49",
        "rate_effective_from": 1_600_000_000_000_000,
        "source_topic": "usage-events",
        "source_partition": 0,
        "source_offset": 1,
        "corrected_movement_id": None,
        "reason": None,
        "direction": None,
        "from_number": None,
        "campaign_id": None,
        "destination_name": None,
        **fields,
    }


def insert(client: Client, *movements: dict[str, Any]) -> None:
    offsets = np.arange(len(movements))
    insert_movements(client, movement_columns(pl.DataFrame(movements, schema=SCHEMA), "a-log", offsets % 3, offsets))


def test_migrations_are_applied_once_and_in_order(dsn: str) -> None:
    assert apply_migrations(dsn) == [
        "0001_credit_movements.sql",
        "0002_credit_movements_once.sql",
        "0003_price_units.sql",
        "0004_erased_accounts.sql",
        "0005_adjustments.sql",
        "0006_movement_ids.sql",
        "0007_usage_details.sql",
        "0008_movement_sums.sql",
    ]
    assert apply_migrations(dsn) == []


def test_every_column_of_the_table_says_what_it_is(client: Client) -> None:
    rows = client.query("DESCRIBE TABLE credit_movements").named_results()
    assert [row["name"] for row in rows if not row["comment"]] == []


def test_every_column_of_the_table_is_filled_by_the_sink(client: Client) -> None:
    insert(client, movement())
    assert client.query("SELECT * FROM credit_movements").column_names == tuple(
        row["name"] for row in client.query("DESCRIBE TABLE credit_movements").named_results()
    )
    [row] = client.query(
        "SELECT log_id, log_partition, log_offset, source_topic, source_partition, source_offset FROM credit_movements"
    ).result_rows
    assert row == ("a-log", 0, 0, "usage-events", 0, 1)


nanos = st.integers(-LARGEST_NANOS, LARGEST_NANOS) | st.sampled_from([-LARGEST_NANOS, -1, 0, 1, LARGEST_NANOS])
texts = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from([ODD_ID, "\0", "'", '"', "\\", "\\N", ""])
instants = st.integers(EARLIEST_MICROS, LATEST_MICROS)
int64s = st.integers(-(2**63), 2**63 - 1)
movements = st.builds(
    movement,
    movement_id=st.uuids().map(str),
    account_id=texts,
    interaction_id=texts,
    description=texts,
    occurred_at=instants,
    quantity=int64s,
    unit=texts,
    units_charged=int64s,
    price_nanos=nanos,
    price_units=int64s,
    credit_movement_nanos=nanos,
    currency=texts,
    user_id=st.none() | texts,
    destination=st.none() | texts,
    rate_card_id=st.none() | texts,
    destination_prefix=st.none() | texts,
    rate_effective_from=st.none() | instants,
    source_topic=texts,
    source_partition=st.integers(0, 2**31 - 1),
    source_offset=int64s,
    corrected_movement_id=st.none() | st.uuids().map(str),
    reason=st.none() | texts,
    direction=st.none() | texts,
    from_number=st.none() | texts,
    campaign_id=st.none() | texts,
    destination_name=st.none() | texts,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(movements, min_size=1, max_size=30, unique_by=lambda each: each["movement_id"]))
def test_what_goes_in_comes_out_to_the_last_digit_and_byte(
    client: Client, given_movements: list[dict[str, Any]]
) -> None:
    client.command("TRUNCATE TABLE credit_movements")
    insert(client, *given_movements)
    rows = client.query(
        "SELECT * EXCEPT (price, credit_movement, occurred_at, rate_effective_from, movement_id, "
        "corrected_movement_id, log_id, log_partition, log_offset), toString(movement_id) AS movement_id, "
        "toString(corrected_movement_id) AS corrected_movement_id, "
        "toUnixTimestamp64Micro(occurred_at) AS occurred_at, "
        "toUnixTimestamp64Micro(rate_effective_from) AS rate_effective_from, price, credit_movement "
        "FROM credit_movements"
    ).named_results()
    read = {row["movement_id"]: row for row in rows}
    assert len(read) == len(given_movements)
    for each in given_movements:
        row = read[each["movement_id"]]
        for column in ("price", "credit_movement"):
            assert row.pop(column) == Decimal(each[f"{column}_nanos"]).scaleb(-9)
        assert row == {name: value for name, value in each.items() if not name.endswith("_nanos")}


def test_a_block_may_span_more_months_than_clickhouse_likes(client: Client) -> None:
    month = 31 * 86_400_000_000
    insert(client, *(movement(occurred_at=number * month) for number in range(150)))
    assert client.query("SELECT count() FROM credit_movements").result_rows == [(150,)]


def test_a_row_inserted_twice_counts_once(client: Client) -> None:
    row = movement(credit_movement_nanos=-5)
    insert(client, row, row)
    insert(client, row)
    assert client.query("SELECT count(), sum(credit_movement) FROM credit_movements_once").result_rows == [
        (1, Decimal("-0.000000005"))
    ]
    assert read_balance(client, "acme")[0].movements == 1


def test_a_balance_is_exact_where_64_bits_would_wrap(client: Client) -> None:
    insert(client, *(movement(credit_movement_nanos=LARGEST_NANOS) for _ in range(40)))
    insert(client, movement(credit_movement_nanos=-1))
    [balance] = read_balance(client, "acme")
    assert balance.amount == Decimal(40 * LARGEST_NANOS - 1).scaleb(-9)
    assert balance.movements == 41


def test_a_balance_is_of_one_account_and_one_currency(client: Client) -> None:
    insert(
        client,
        movement(credit_movement_nanos=10**9, occurred_at=1_700_000_000_000_000),
        movement(credit_movement_nanos=-(10**8), occurred_at=1_700_000_000_000_007),
        movement(credit_movement_nanos=5, currency="USD"),
        movement(credit_movement_nanos=7, account_id="ACME"),
    )
    newest = datetime(2023, 11, 14, 22, 13, 20, 7, UTC)
    assert read_balance(client, "acme") == [
        Balance("acme", "EUR", Decimal("0.9"), 2, newest),
        Balance("acme", "USD", Decimal("0.000000005"), 1, newest.replace(microsecond=1)),
    ]


@pytest.mark.parametrize("account_id", [ODD_ID, "'", "\\", "' OR 1=1 --", "株式会社", "\0"])
def test_an_account_id_is_only_ever_a_value(client: Client, account_id: str) -> None:
    insert(client, movement(), movement(account_id=account_id))
    assert [balance.movements for balance in read_balance(client, account_id)] == [1]


def test_an_account_without_movements_has_no_balance(client: Client) -> None:
    assert read_balance(client, "nobody") == []
