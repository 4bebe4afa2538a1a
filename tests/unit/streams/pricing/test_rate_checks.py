"""The rules for whole tables are those for one record."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS, are_good_plans, are_good_rates, max_units
from streams.pricing.rates import (
    EARLIEST_MICROS,
    LATEST_MICROS,
    MAX_AMOUNT_NANOS,
    MAX_DESTINATION_NAME_BYTES,
    MAX_INCREMENT,
    MAX_UNITS_OF_ENDLESS_PRICE,
    UNIT_SIZES,
    AccountPlan,
    BadRateError,
    Rate,
)
from tests.unit.streams.test_outcome import rate

INT64 = (-(2**63), 2**63 - 1)


def near(*numbers: int) -> st.SearchStrategy[int]:
    beside = sorted({each + by for each in numbers for by in (-1, 0, 1) if INT64[0] <= each + by <= INT64[1]})
    return st.sampled_from(beside) | st.integers(*INT64)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
ids = (
    st.sampled_from(["", "a", "a|b", "top-up", "x" * 128, "x" * 129, "\u00fc" * 128, "\U0001f600" * 129, " ", "a\n"])
    | texts
)
times = near(0, EARLIEST_MICROS, LATEST_MICROS, *INT64)
prices = near(0, 1, MAX_AMOUNT_NANOS, *INT64, 200_000_000, 7)
price_units = near(0, 1, 3, 7, 60, 999, 1000, 3600, 10_000, 10**9, 10**10, *INT64)
sizes = near(0, 1, 60, 120, 3600, MAX_UNITS_OF_ENDLESS_PRICE, 60 * MAX_UNITS_OF_ENDLESS_PRICE, MAX_INCREMENT, *INT64)
prefixes = st.sampled_from(["", "0", "00", "001", "01", "49", "4 9", "49\n", "+49", "4" * 18, "4" * 19, "\u0664"])
fields: dict[str, st.SearchStrategy[Any]] = {
    "rate_card_id": ids,
    "usage_type": ids,
    "destination_prefix": prefixes | texts,
    "destination_name": st.sampled_from(["", "n" * MAX_DESTINATION_NAME_BYTES, "\u00fc" * 30_001]) | texts,
    "unit": st.sampled_from([*UNIT_SIZES, "hours", ""]),
    "unit_size": st.sampled_from([0, 1, 60]),
    "initial_increment": sizes,
    "increment": sizes,
    "price_nanos": prices,
    "price_units": price_units,
    "currency": st.sampled_from(["EUR", "EU", "EURO", "eur", "EUR\n", "\u00c4UR"]),
    "effective_from": times,
    "effective_to": st.none() | times,
}
# A record is mostly good, so that each rule is met alone too.
unlike = st.fixed_dictionaries({}, optional=fields)


def is_good(kind: type[Rate] | type[AccountPlan], record: dict[str, Any]) -> bool:
    try:
        kind.checked(record)
    except BadRateError:
        return False
    return True


@given(st.lists(unlike, max_size=20))
def test_a_row_is_good_where_the_rate_is(changed: list[dict[str, Any]]) -> None:
    records = [rate(unit_size=1) | each for each in changed]
    good = [is_good(Rate, each) for each in records]
    table = pl.DataFrame(records, schema=RATE_COLUMNS)
    assert are_good_rates(table).tolist() == good
    most = table.filter(pl.Series(good, dtype=pl.Boolean)).select(max_units()).to_series().to_list()
    assert most == [Rate(**each).max_units for each, right in zip(records, good, strict=True) if right]


@given(
    st.lists(st.fixed_dictionaries({}, optional={name: fields[name] for name in ("initial_increment", "increment")}))
)
def test_a_price_that_does_not_end_limits_the_units_of_a_row_too(changed: list[dict[str, Any]]) -> None:
    minutes = rate(unit="minutes", unit_size=60, price_nanos=10**8, price_units=7)
    records = [minutes | each for each in changed]
    assert are_good_rates(pl.DataFrame(records, schema=RATE_COLUMNS)).tolist() == [
        is_good(Rate, each) for each in records
    ]


@given(st.lists(st.fixed_dictionaries({"account_id": ids, "rate_card_id": ids, "effective_from": times | st.just(0)})))
def test_a_row_is_good_where_the_plan_is(records: list[dict[str, Any]]) -> None:
    table = pl.DataFrame(records, schema=PLAN_COLUMNS)
    assert are_good_plans(table).tolist() == [is_good(AccountPlan, each) for each in records]


def test_a_missing_value_is_not_good() -> None:
    without = dict.fromkeys(RATE_COLUMNS)
    assert not np.any(are_good_rates(pl.DataFrame([without], schema=RATE_COLUMNS)))
