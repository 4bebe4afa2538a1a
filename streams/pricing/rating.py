"""Rates a whole batch, as columns: pure, exact, in integers.

The rules are those of docs/reference/CONTRACT.md, section 3. A row that cannot be rated gets the check that it failed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.topics import TOP_UP_EVENTS
from streams.events.names import indexed
from streams.events.sorted_keys import NONE, Ints
from streams.pricing.checks import CHECKS, Check
from streams.pricing.numbers import number_codes
from streams.pricing.plans import PlanBook
from streams.pricing.rate_book import RateBook
from streams.pricing.rates import MAX_AMOUNT_NANOS, TIME_UNITS, AccountPlan, Rate

Mask = npt.NDArray[np.bool_]
PASSED = NONE


@dataclass(frozen=True)
class Limits:
    """How old, how far ahead and how large an event may be. Quantities are in the unit of the event's `quantity`."""

    max_age: timedelta
    max_ahead: timedelta
    max_time_quantity: int
    max_count_quantity: int


class PriceList:
    """All rates and plans known at one moment."""

    def __init__(self, rates: Iterable[Rate], plans: Iterable[AccountPlan], default_card: str | None) -> None:
        self.book = RateBook(rates)
        self.plans = PlanBook(plans, self.book.card_index, default_card)
        rows = self.book.rates
        # NONE is the index -1. It picks the last entry, so one more entry stands for rows without a rate.
        self.initial_increment = np.array([*(rate.initial_increment for rate in rows), 1], dtype=np.int64)
        self.increment = np.array([*(rate.increment for rate in rows), 1], dtype=np.int64)
        self.unit_size = np.array([*(rate.unit_size for rate in rows), 1], dtype=np.int64)
        self.price_nanos = np.array([*(rate.price_nanos for rate in rows), 0], dtype=np.int64)
        self.price_units = np.array([*(rate.price_units for rate in rows), 1], dtype=np.int64)
        self.max_units = np.array([*(rate.max_units for rate in rows), 0], dtype=np.int64)
        self.is_time = np.array([*(rate.unit in TIME_UNITS for rate in rows), False])
        names = pl.DataFrame(
            [(rate.unit, rate.destination_prefix, rate.effective_from) for rate in rows],
            schema={"unit": pl.String, "destination_prefix": pl.String, "rate_effective_from": pl.Int64},
            orient="row",
        )
        self.names = pl.concat([names, pl.DataFrame({"unit": [""]})], how="diagonal")
        self.card_names = pl.Series([*self.book.card_index, None], dtype=pl.String)
        self.card_currencies = pl.Series([*self.book.card_currencies, None], dtype=pl.String)


def mark(failed: Ints, mask: Mask, check: Check) -> None:
    """Note `check` for the rows of `mask` that have passed all checks before."""
    failed[(failed == PASSED) & mask] = CHECKS.index(check)


def rate_batch(events: pl.DataFrame, prices: PriceList, limits: Limits) -> tuple[pl.DataFrame, Ints]:
    """Rate events (EVENT_COLUMNS).

    Returns the priced columns of CreditMovement in the order of `events` (meaningless where a check failed), with a column
    `is_no_number` (the destination has digits and yet is no number); and for each row PASSED, or the index in CHECKS of the
    first check that it failed.
    """
    failed = np.full(len(events), PASSED, dtype=np.int64)
    occurred_at = events["occurred_at"].to_numpy()
    quantity = events["quantity"].to_numpy()
    is_top_up = (events["source_topic"] == TOP_UP_EVENTS.name).to_numpy()
    cards = prices.plans.cards(events["account_id"], occurred_at)
    usage_types = indexed(events["usage_type"], prices.book.type_index)
    numbers, is_no_number = number_codes(events["destination"])
    rates = prices.book.find(cards, usage_types, numbers, occurred_at)
    mark(failed, cards == NONE, Check.NO_CARD)
    mark(failed, ~is_top_up & (rates == NONE), Check.NO_RATE)
    limit = np.where(prices.is_time[rates], limits.max_time_quantity, limits.max_count_quantity)
    units = units_charged(quantity, prices, rates)
    mark(failed, (quantity > limit) | (units > prices.max_units[rates]), Check.QUANTITY)
    price, price_units = prices.price_nanos[rates], prices.price_units[rates]
    charges, too_dear = charged(units, price, price_units)
    amounts = events["amount_nanos"].to_arrow().fill_null(0).to_numpy()
    card_currencies = prices.card_currencies.gather(_row_or_last(cards, prices.card_currencies))
    mark(failed, is_top_up & (events["currency"] != card_currencies).fill_null(True).to_numpy(), Check.CURRENCY)
    out_of_range = np.where(is_top_up, (amounts <= 0) | (amounts > MAX_AMOUNT_NANOS), too_dear)
    mark(failed, out_of_range, Check.AMOUNT)

    # Rows that failed may wrap around here; nobody reads them.
    movements = np.where(is_top_up, amounts, -charges)
    names = prices.names[_row_or_last(rates, prices.names)]
    priced = names.with_columns(
        pl.Series("units_charged", units),
        pl.Series("price_nanos", price),
        pl.Series("price_units", price_units),
        pl.Series("credit_movement_nanos", movements),
        card_currencies.alias("currency"),
        prices.card_names.gather(_row_or_last(cards, prices.card_names)).alias("rate_card_id"),
        pl.Series("is_no_number", is_no_number),
    )
    return priced, failed


def units_charged(quantity: Ints, prices: PriceList, rates: Ints) -> Ints:
    """Rules 3.2 and 3.3: the initial increment, then whole increments, in units. `rates` may have NONE."""
    initial, increment = prices.initial_increment[rates], prices.increment[rates]
    rest = np.maximum(quantity - initial, 0)
    billed = np.where(quantity > 0, initial + -(-rest // increment) * increment, 0)
    units: Ints = np.where(rates == NONE, 0, billed // prices.unit_size[rates])
    return units


def charged(units: Ints, price: Ints, price_units: Ints) -> tuple[Ints, Mask]:
    """Rule 3.3: units x price / price_units nanos of each row, rounded once, half up (all are 0 or more); and which rows exceed
    the limit of a movement (their amounts mean nothing).

    The product may need 128 bits, so it is never made. With price = w * N + r and units = m * N + s the amount is
    units * w + m * r + s * r / N. N is at most 1e9, so the last product is below 1e18, and m * r is below the units.
    """
    whole, rest = np.divmod(price, price_units)
    many, few = np.divmod(units, price_units)
    too_dear = whole > MAX_AMOUNT_NANOS // np.maximum(units, 1)
    amounts = units * whole + many * rest + (2 * few * rest + price_units) // (2 * price_units)
    return amounts, (units > 0) & (too_dear | (amounts > MAX_AMOUNT_NANOS))


def _row_or_last(rows: Ints, table: pl.DataFrame | pl.Series) -> pl.Series:
    return pl.Series(np.where(rows == NONE, len(table) - 1, rows))
