"""The rules of `rates`, for whole tables: which rows surely keep all of them.

`Rate.checked` and `AccountPlan.checked` say in sentences what is wrong with one record. Few records are wrong, so only the rows
that do not pass here are given to them. Tests hold the two equal.
"""

from collections.abc import Callable
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.ids import MOST_ID_CHARACTERS
from streams.pricing.rates import (
    EARLIEST_MICROS,
    LATEST_MICROS,
    MANY_PRICE_UNITS,
    MAX_AMOUNT_NANOS,
    MAX_DESTINATION_NAME_BYTES,
    MAX_INCREMENT,
    MAX_PREFIX_DIGITS,
    MAX_UNITS_OF_ENDLESS_PRICE,
    NO_USAGE,
    UNIT_SIZES,
    BadRateError,
)

Mask = npt.NDArray[np.bool_]

RATE_COLUMNS: dict[str, type[pl.DataType]] = {
    "rate_card_id": pl.String,
    "usage_type": pl.String,
    "destination_prefix": pl.String,
    "destination_name": pl.String,
    "unit": pl.String,
    "unit_size": pl.Int64,
    "initial_increment": pl.Int64,
    "increment": pl.Int64,
    "price_nanos": pl.Int64,
    "price_units": pl.Int64,
    "currency": pl.String,
    "effective_from": pl.Int64,
    "effective_to": pl.Int64,
}
PLAN_COLUMNS: dict[str, type[pl.DataType]] = {
    "account_id": pl.String,
    "rate_card_id": pl.String,
    "effective_from": pl.Int64,
}


def are_good_rates(rates: pl.DataFrame) -> Mask:
    """Whether `Rate.checked` takes each row of a table with RATE_COLUMNS."""
    return _kept(
        rates,
        _is_name("rate_card_id"),
        _is_name("usage_type"),
        ~pl.col("usage_type").is_in(sorted(NO_USAGE)),
        pl.col("destination_prefix").str.contains(rf"^[0-9]{{0,{MAX_PREFIX_DIGITS}}}$"),
        ~pl.col("destination_prefix").str.starts_with("00"),
        pl.col("destination_name").str.len_bytes() <= MAX_DESTINATION_NAME_BYTES,
        pl.col("currency").str.contains(r"^[A-Z]{3}$"),
        pl.col("price_nanos").is_between(0, MAX_AMOUNT_NANOS),
        pl.col("price_units").is_between(1, 1000) | pl.col("price_units").is_in(sorted(MANY_PRICE_UNITS)),
        pl.col("unit_size") == _size_of_unit(),
        _is_increment("initial_increment"),
        _is_increment("increment"),
        _is_time("effective_from"),
        pl.col("effective_to").is_null()
        | (_is_time("effective_to") & (pl.col("effective_to") > pl.col("effective_from"))),
    )


def are_good_plans(plans: pl.DataFrame) -> Mask:
    """Whether `AccountPlan.checked` takes each row of a table with PLAN_COLUMNS."""
    return _kept(plans, _is_name("rate_card_id"), _is_time("effective_from"), _is_id("account_id"))


def faults_of(
    checked: Callable[[dict[str, Any]], object], table: pl.DataFrame, is_bad: Mask
) -> dict[int, BadRateError]:
    """Row → what is wrong with it, of the rows that are bad. `checked`: `Rate.checked` or `AccountPlan.checked`."""
    found: dict[int, BadRateError] = {}
    if not is_bad.any():
        return found
    rows = np.flatnonzero(is_bad)
    for row, record in zip(rows.tolist(), table[rows].iter_rows(named=True), strict=True):
        try:
            checked(record)
        except BadRateError as error:
            found[row] = error
    assert len(found) == len(rows), "the rules for tables are those for one record"
    return found


def max_units() -> pl.Expr:
    """`Rate.max_units` of each row whose price and its units are good."""
    # The same rest as of price_nanos * 10**9, which may need more than 64 bits: price_units are 10**9 at most.
    rest = pl.col("price_nanos") % pl.col("price_units") * 10**9 % pl.col("price_units")
    return pl.when(rest == 0).then(MAX_INCREMENT).otherwise(MAX_UNITS_OF_ENDLESS_PRICE)


def _kept(table: pl.DataFrame, *rules: pl.Expr) -> Mask:
    if not len(table):
        return np.zeros(0, dtype=bool)
    # A missing value keeps no rule.
    return table.select(reduce(and_, rules).fill_null(False)).to_series().to_numpy()


def _is_id(column: str) -> pl.Expr:
    return pl.col(column).str.len_chars().is_between(1, MOST_ID_CHARACTERS)


def _is_name(column: str) -> pl.Expr:
    return _is_id(column) & ~pl.col(column).str.contains("|", literal=True)


def _is_time(column: str) -> pl.Expr:
    return pl.col(column).is_between(EARLIEST_MICROS, LATEST_MICROS)


def _size_of_unit() -> pl.Expr:
    """Null for an unknown unit."""
    return pl.col("unit").replace_strict(UNIT_SIZES, default=None, return_dtype=pl.Int64)


def _is_increment(column: str) -> pl.Expr:
    increment = pl.col(column)
    is_whole = increment.is_between(1, MAX_INCREMENT) & (increment % _size_of_unit() == 0)
    return is_whole & (increment <= max_units() * _size_of_unit())
