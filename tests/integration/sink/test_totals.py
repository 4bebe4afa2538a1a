"""Many slices added up in one question: each gets what its own rows add up to, whoever else is asked for."""

import random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.read.slice import MovementsSlice
from sinks.read.totals import CardTotal, SliceTotals, read_all_totals, read_totals
from tests.integration.sink.test_movements import FROM, TO, insert, movement, read, wanted
from tests.integration.sink.test_movements import client as client  # a fixture

BEFORE = FROM - 1_000_000
ACCOUNTS = ("acme", "ACME", "acme ", "a", "a' OR 1=1", "ä\\")


def one_currency(row_count: int, nanos: int, opening_nanos: int = 0) -> SliceTotals:
    by_card = [CardTotal("default", "EUR", row_count, nanos)] if row_count else []
    return SliceTotals(opening_nanos, by_card)


@pytest.fixture
def ledger(client: Client) -> dict[str, list[dict[str, Any]]]:
    """Movements of all accounts, before and in the period, by account."""
    chance = random.Random(7)
    rows = [
        movement(
            account_id=account, occurred_at=at, credit_movement_nanos=-chance.randrange(10**6), rate_card_id="default"
        )
        for at in (BEFORE, FROM, FROM + 5, TO - 1, TO)
        for account in ACCOUNTS
        for _ in range(3)
    ]
    insert(client, rows)
    # After a crash the sink writes rows again.
    insert(client, rows[:40])
    numbered = [{**row, "offset": offset} for offset, row in enumerate(rows)]
    return {account: [row for row in numbered if row["account_id"] == account] for account in ACCOUNTS}


def expected(rows: list[dict[str, Any]], slice_: MovementsSlice) -> SliceTotals:
    below = [row for row in rows if row["offset"] < slice_.log_end_offset]
    inside = [
        row["credit_movement_nanos"]
        for row in below
        if slice_.from_micros <= row["occurred_at"] < slice_.to_micros and row["credit_movement_nanos"]
    ]
    before = sum(row["credit_movement_nanos"] for row in below if row["occurred_at"] < slice_.from_micros)
    return one_currency(len(inside), sum(inside), before)


def test_each_slice_of_a_question_gets_the_sums_of_its_own_rows(client: Client, ledger: dict[str, Any]) -> None:
    chance = random.Random(11)
    slices = [
        wanted(
            account_id=account,
            from_micros=chance.choice([BEFORE, FROM, FROM + 5]),
            to_micros=chance.choice([FROM + 6, TO, TO + 1]),
            log_end_offset=chance.randrange(100),
        )
        for account in ACCOUNTS
    ]
    together = read_all_totals(client, slices)
    assert together == {each: expected(ledger[each.account_id], each) for each in slices}
    assert together == {each: read_totals(client, each) for each in slices}
    for each in slices:
        assert together[each].nanos == sum(row["credit_movement_nanos"] for row in read(client, each))


def test_two_slices_of_one_account_are_kept_apart(client: Client, ledger: dict[str, Any]) -> None:
    slices = [wanted(log_end_offset=end) for end in (20, 60, 1000)] + [wanted(account_id="a")]
    assert read_all_totals(client, slices) == {each: expected(ledger[each.account_id], each) for each in slices}


def test_an_account_without_movements_adds_up_to_nothing(client: Client, ledger: dict[str, Any]) -> None:
    slices = [wanted(account_id="nobody"), wanted()]
    totals = read_all_totals(client, slices)
    assert totals[slices[0]] == one_currency(0, 0)
    assert totals[slices[1]] == expected(ledger["acme"], slices[1])


def test_other_partitions_and_logs_are_each_slices_own(client: Client) -> None:
    insert(client, [movement(account_id="a"), movement(account_id="b")], partition=2, first=5)
    slices = [wanted(account_id="a", log_partition=2), wanted(account_id="b", log_partition=3)]
    assert [each.row_count for each in read_all_totals(client, slices).values()] == [1, 0]
    slices = [wanted(account_id="a", log_id="other"), wanted(account_id="b", log_partition=2, log_end_offset=6)]
    assert [each.row_count for each in read_all_totals(client, slices).values()] == [1, 0]


def test_of_a_row_that_was_written_again_the_last_one_counts(client: Client) -> None:
    """What is looked at before rows are merged may only be what all versions of a row have in common."""
    row = movement(credit_movement_nanos=-5)
    for changed in ({}, {"credit_movement_nanos": 0}):
        insert(client, [{**row, **changed}])
    assert read(client, wanted()) == []
    assert read_totals(client, wanted()) == one_currency(0, 0)
    insert(client, [row], first=2_000)
    assert read(client, wanted()) == []
    assert read_totals(client, wanted()) == one_currency(0, 0)
