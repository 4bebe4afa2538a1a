"""The thresholds of accounts: which records count, and which are wrong."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from streams.alerts.judging.rules import Rules
from streams.alerts.judging.settings import AccountSettings

NOW = 1_793_000_000_000_000
DEFAULT = Rules(low_balance_nanos=10, empty_soon_hours=24, unusual_nanos=20)


def record(**fields: Any) -> dict[str, Any]:
    own = {"account_id": "acme", "low_balance_nanos": None, "empty_soon_hours": None, "unusual_nanos": None}
    return {**own, "effective_from": NOW, **fields}


def put(own: AccountSettings, *records: dict[str, Any]) -> dict[int, str]:
    integers = dict.fromkeys(["low_balance_nanos", "empty_soon_hours", "unusual_nanos", "effective_from"], pl.Int64)
    return own.put(pl.DataFrame(list(records), schema={"account_id": pl.String, **integers}))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"account_id": ""}, "account_id must be 1 to 128 characters"),
        ({"account_id": "é" * 129}, "account_id must be 1 to 128 characters"),
        ({"empty_soon_hours": 169}, "empty_soon_hours 169 does not lie in 0 to 168"),
        ({"empty_soon_hours": -1}, "empty_soon_hours -1 does not lie in 0 to 168"),
        ({"unusual_nanos": -5}, "unusual_nanos -5 is negative"),
        ({"effective_from": 2**62}, "effective_from lies beyond the times that can be stored"),
    ],
)
def test_a_record_that_is_wrong_changes_nothing_and_those_around_it_count(fields: dict[str, Any], why: str) -> None:
    own = AccountSettings(DEFAULT)
    good = [record(account_id="first", low_balance_nanos=-7), record(account_id="last", empty_soon_hours=168)]
    assert put(own, good[0], record(**{"low_balance_nanos": 1, **fields}), good[1]) == {1: why}
    rules = own.at(pl.Series(["first", "acme", "last"]), np.full(3, NOW))
    assert rules.low_balance_nanos.tolist() == [-7, 10, 10]
    assert rules.empty_soon_hours.tolist() == [24, 24, 168]


def test_what_is_null_is_as_the_worker_has_it() -> None:
    own = AccountSettings(DEFAULT)
    assert put(own, record()) == {}
    rules = own.at(pl.Series(["acme"]), np.array([NOW]))
    assert [column.tolist() for column in rules] == [[10], [24], [20]]
