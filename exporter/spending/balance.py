"""An account's balance for JSON: amounts are texts of plain decimals, times RFC 3339 in UTC."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from sinks.read.balance import read_balance

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def balance_answer(client: Client, account_id: str, at_micros: int | None) -> dict[str, Any]:
    """`account_id`, `at` (null: all movements count), and `balances`: `currency`, `balance`, `movements`. Raises as
    `read_balance` does."""
    found = read_balance(client, account_id, at_micros)
    return {
        "account_id": account_id,
        "at": None if at_micros is None else rfc3339(at_micros),
        "balances": [
            {"currency": each.currency, "balance": plain(each.amount), "movements": each.movements} for each in found
        ],
    }


def plain(amount: Decimal) -> str:
    """No exponent, no zeros at its end, no negative 0."""
    return f"{amount.normalize():f}" if amount else "0"


def rfc3339(micros: int) -> str:
    """An instant, given in microseconds."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds").replace("+00:00", "Z")
