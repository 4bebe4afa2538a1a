"""The example of a consumer: a balance is the exact sum of an account's movements."""

from datetime import UTC, datetime
from typing import Any

import pytest

from examples.follow_movements import Balances, decimal


def movement(nanos: int, **fields: Any) -> dict[str, Any]:
    return {
        "account_id": "acme", "currency": "EUR", "description": "call", "credit_movement_nanos": nanos,
        "occurred_at": datetime(2026, 3, 15, 12, tzinfo=UTC),
    } | fields  # fmt: skip


def test_a_balance_is_the_sum_of_an_account_s_movements() -> None:
    balances = Balances()
    balances.add(movement(25 * 10**9, description="top-up"))
    assert balances.add(movement(-1)) == "2026-03-15 12:00:00 acme call -0.000000001 EUR, balance 24.999999999"
    balances.add(movement(-5, account_id="other"))
    assert list(balances.lines()) == ["acme 24.999999999 EUR", "other -0.000000005 EUR"]


def test_accounts_that_look_alike_and_currencies_are_kept_apart() -> None:
    balances = Balances()
    for fields in ({}, {"account_id": "Acme"}, {"currency": "USD"}):
        balances.add(movement(-(10**9), **fields))
    assert list(balances.lines()) == ["Acme -1 EUR", "acme -1 EUR", "acme -1 USD"]


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "0"), (10**9, "1"), (-10, "-0.00000001"), (10**18 + 1, "1000000000.000000001"), (120, "0.00000012")],
)
def test_a_decimal_is_plain_and_exact(nanos: int, text: str) -> None:
    assert decimal(nanos) == text


def test_an_account_writes_no_line_of_its_own() -> None:
    line = Balances().add(movement(-1, account_id="a\nb 1000 EUR"))
    assert "\n" not in line
