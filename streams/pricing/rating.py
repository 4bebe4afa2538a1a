"""Rates a whole batch, as columns: pure, exact, in integers.

The rules are those of docs/reference/CONTRACT.md, section 3. A row that cannot be rated gets the check that it failed.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.usage import MOST_NAME_CHARACTERS
from streams.events.names import indexed
from streams.events.sorted_keys import NONE, Ints
from streams.pricing.checks import CHECKS, Check
from streams.pricing.numbers import number_codes
from streams.pricing.plans import PlanBook
from streams.pricing.rate_book import RateBook
from streams.pricing.rate_columns import UNITS, Number
from streams.pricing.rate_table import RateTable
from streams.pricing.rates import MAX_AMOUNT_NANOS, TIME_UNITS

Mask = npt.NDArray[np.bool_]
PASSED = NONE
# By the number of the unit; the last one is that of rows without a rate.
_IS_TIME = np.array([*(unit in TIME_UNITS for unit in UNITS), False])
_UNIT_NAMES = pl.Series([*UNITS, ""])


@dataclass(frozen=True)
class Limits:
    """How old, how far ahead and how large an event may be. Quantities are in the unit of the event's `quantity`."""

    max_age: timedelta
    max_ahead: timedelta
    max_time_quantity: int
    max_count_quantity: int


class PriceList:
    """All rates and plans known at one moment; it never changes. It shares the columns of `rates`, which only grow.

    `numbers` (the columns of `Number`), `prefix_texts` and `destination_names` have a row for rows without a rate, then one
    for each rate: NONE is the index -1, so rate i is row i + 1.
    """

    def __init__(self, rates: RateTable, book: RateBook, plans: PlanBook) -> None:
        self.book = book
        self.plans = plans
        self.numbers = rates.numbers_behind_none
        self.prefix_texts = rates.prefix_texts_behind_none
        self.destination_names = rates.destination_names_behind_none
        self.card_names = pl.Series([*rates.cards, None], dtype=pl.String)
        self.card_currencies = pl.Series([*rates.currency_names_of_cards(), None], dtype=pl.String)


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
    # A usage event has no amount: its rate gives one.
    has_amount = events["amount_nanos"].is_not_null().to_numpy()
    cards = prices.plans.cards(events["account_id"], occurred_at)
    usage_types = indexed(events["usage_type"], prices.book.type_index)
    numbers, is_no_number = number_codes(events["destination"])
    rates = prices.book.find(cards, usage_types, numbers, occurred_at)
    mark(failed, cards == NONE, Check.NO_CARD)
    mark(failed, ~has_amount & (rates == NONE), Check.NO_RATE)
    # All numbers of a rate lie side by side in memory, so they are fetched at once.
    priced_by = np.take(prices.numbers, rates + 1, axis=0).T
    unit = priced_by[Number.UNIT]
    limit = np.where(_IS_TIME[unit], limits.max_time_quantity, limits.max_count_quantity)
    units = units_charged(quantity, priced_by)
    mark(failed, (quantity > limit) | (units > priced_by[Number.MAX_UNITS]), Check.QUANTITY)
    price, price_units = priced_by[Number.PRICE_NANOS], priced_by[Number.PRICE_UNITS]
    charges, too_dear = charged(units, price, price_units)
    amounts = events["amount_nanos"].fill_null(0).to_numpy()
    card_currencies = prices.card_currencies.gather(_row_or_last(cards, prices.card_currencies))
    mark(failed, has_amount & (events["currency"] != card_currencies).fill_null(True).to_numpy(), Check.CURRENCY)
    out_of_range = np.where(has_amount, _is_no_amount(amounts, events["kind"]), too_dear)
    mark(failed, out_of_range, Check.AMOUNT)

    # Rows that failed may wrap around here; nobody reads them.
    movements = np.where(has_amount, amounts, -charges)
    begins = pl.Series(priced_by[Number.EFFECTIVE_FROM])
    priced = pl.DataFrame(
        {
            "unit": _UNIT_NAMES.gather(pl.Series(unit)),
            "destination_prefix": prices.prefix_texts.gather(pl.Series(rates + 1)),
            # A deck may say far more of a destination than a line of the ledger needs.
            "destination_name": prices.destination_names.gather(pl.Series(rates + 1)).str.head(MOST_NAME_CHARACTERS),
            "rate_effective_from": begins.set(pl.Series(rates == NONE), None),
            "units_charged": units,
            "price_nanos": price,
            "price_units": price_units,
            "credit_movement_nanos": movements,
            "currency": card_currencies,
            "rate_card_id": prices.card_names.gather(_row_or_last(cards, prices.card_names)),
            "is_no_number": is_no_number,
        }
    )
    return priced, failed


def _is_no_amount(amounts: Ints, kinds: pl.Series) -> Mask:
    """Which amounts a top-up (no kind) or an adjustment may not have."""
    is_wrong: Mask = (amounts <= 0) | (amounts > MAX_AMOUNT_NANOS)
    if kinds.null_count() < len(kinds):
        is_taken = (amounts < 0) & (amounts >= -MAX_AMOUNT_NANOS)
        is_wrong &= ~(kinds.is_not_null().to_numpy() & is_taken)
    return is_wrong


def units_charged(quantity: Ints, priced_by: Ints) -> Ints:
    """Rules 3.2 and 3.3: the initial increment, then whole increments, in units. `priced_by`: the columns of `Number`."""
    initial, increment = priced_by[Number.INITIAL_INCREMENT], priced_by[Number.INCREMENT]
    rest = np.maximum(quantity - initial, 0)
    billed = np.where(quantity > 0, initial + -(-rest // increment) * increment, 0)
    units: Ints = billed // priced_by[Number.UNIT_SIZE]
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


def _row_or_last(rows: Ints, table: pl.Series) -> pl.Series:
    return pl.Series(np.where(rows == NONE, len(table) - 1, rows))
