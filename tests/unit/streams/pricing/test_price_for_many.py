"""A price for N units, from the rate to the line that a customer checks, for every N (docs/reference/CONTRACT.md, 3.3)."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_movements.verify.amounts import attos_of, nanos_of_product
from exporter.file.formats.numbers import values_per_unit
from streams.pricing.rates import MANY_PRICE_UNITS, MAX_AMOUNT_NANOS, MAX_INCREMENT, MAX_UNITS_OF_ENDLESS_PRICE, Rate
from streams.pricing.rating import charged
from tests.unit.streams.test_outcome import rate

ALLOWED = sorted({*range(1, 1001), *MANY_PRICE_UNITS})
LONGEST_CALL_SECONDS = 72 * 3600


def exact(units: int, price: int, price_units: int) -> int:
    """Whole nanos, half of one counted as a whole one, of fractions."""
    nanos = Fraction(units * price, price_units)
    return int(nanos + Fraction(1, 2))


def amounts(*rows: tuple[int, int, int]) -> tuple[list[int], list[bool]]:
    units, prices, price_units = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    found, is_out_of_range = charged(units, prices, price_units)
    return found.tolist(), is_out_of_range.tolist()


def printed(price: int, price_units: int) -> str:
    text: str = values_per_unit(pl.Series([price]), pl.Series([price_units]), ".").item()
    return text


def most_units(price: int, price_units: int) -> int:
    return Rate(**rate(price_nanos=price, price_units=price_units)).max_units


# Prices that leave something over in every division too: neighbours of what a divisor goes into.
prices = st.one_of(
    st.integers(0, MAX_AMOUNT_NANOS),
    st.integers(0, 10**12),
    st.builds(
        lambda base, step: max(0, base + step), st.sampled_from([10**power for power in range(18)]), st.integers(-3, 3)
    ),
)


@given(st.lists(st.tuples(st.integers(0, MAX_INCREMENT), prices, st.sampled_from(ALLOWED)), min_size=1, max_size=200))
def test_the_amount_is_exact_and_what_cannot_be_charged_is_noticed(rows: list[tuple[int, int, int]]) -> None:
    found, is_out_of_range = amounts(*rows)
    for row, amount, out_of_range in zip(rows, found, is_out_of_range, strict=True):
        assert out_of_range == (exact(*row) > MAX_AMOUNT_NANOS)
        assert out_of_range or amount == exact(*row)


@pytest.mark.parametrize(
    ("row", "amount"),
    [
        ((60, 200_000_000, 60), 200_000_000),
        ((1, 200_000_000, 60), 3_333_333),
        ((5, 200_000_000, 60), 16_666_667),
        ((1, 1, 2), 1),
        ((1, 1, 3), 0),
        ((2, 1, 3), 1),
        ((10**15, 10**12 - 1, 10**9), 999_999_999_999_000_000),
        ((10**9, MAX_AMOUNT_NANOS, 10**9), MAX_AMOUNT_NANOS),
        ((0, MAX_AMOUNT_NANOS, 1), 0),
    ],
)
def test_amounts_by_hand(row: tuple[int, int, int], amount: int) -> None:
    assert amounts(row) == ([amount], [False])


@given(st.sampled_from(ALLOWED), prices, st.data())
@settings(max_examples=1000)
def test_a_pocket_calculator_comes_to_the_movement(price_units: int, price: int, data: st.DataObject) -> None:
    most = min(most_units(price, price_units), MAX_AMOUNT_NANOS // max(1, price // price_units))
    # Half the units of a price are where half a nano comes from.
    halves = st.integers(0, 9).map(lambda times: min(most, (2 * times + 1) * price_units // 2))
    units = data.draw(st.integers(0, most) | halves)
    value = attos_of(printed(price, price_units))
    assert value is not None
    assert nanos_of_product(units, value) == exact(units, price, price_units)


def test_no_product_of_an_endless_price_lies_too_near_to_where_rounding_changes() -> None:
    """The proof behind the limit: up to it, the printed value is too high by less than lies below the next half nano."""
    assert MAX_UNITS_OF_ENDLESS_PRICE > LONGEST_CALL_SECONDS
    for price_units in ALLOWED:
        shares = {(-rest * 10**9) % price_units for rest in range(min(price_units, 5000))}
        highest_error = Fraction(max(shares), price_units) / 10**9  # nanos a unit
        # A product is a whole number of 1/N nanos; half a nano is one too where N is even, and lies between two elsewhere.
        nearest = Fraction(1, price_units) if price_units % 2 == 0 else Fraction(1, 2 * price_units)
        assert MAX_UNITS_OF_ENDLESS_PRICE * highest_error < nearest
        if highest_error == 0:
            assert most_units(price_units + 1, price_units) == MAX_INCREMENT


def test_a_thousand_seconds_of_every_price_by_hand() -> None:
    for price_units in (3, 7, 60, 999, 3600):
        value = attos_of(printed(200_000_000, price_units))
        assert value is not None
        rows = [(units, 200_000_000, price_units) for units in range(1000)]
        assert [nanos_of_product(units, value) for units, _, _ in rows] == amounts(*rows)[0]
