"""What a deck means beside the prices that are published. Pure.

A deck is the whole price list of each card that it has, from the first `effective_from` on that it has of the card. Before
that, and for cards that it does not have, what is published holds. So a deck says what a price should have been at a time that
is past: it has the published rate's card, type, prefix and `effective_from`, and another price. Publishing it is refused (a
published key never changes), and would be no help: what is rated stands.

Laid over what is published (`over`), a deck says only what its lines say: a rate of the same key is another one, and all others
stay. That is what `rates publish` does, but that it refuses another price for a published key.
"""

import hashlib

import polars as pl

from kafka_io.errors import UserError
from streams.pricing.history import PriceHistory
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from streams.pricing.rating import PriceList

_KEY = ["rate_card_id", "usage_type", "destination_prefix", "effective_from"]


class NotComparableError(UserError):
    """Two price lists of which nobody can say what the difference is."""


def in_place_of(rates: pl.DataFrame, deck: pl.DataFrame, *, over: bool) -> pl.DataFrame:
    """The rates (RATE_COLUMNS) that are in force where `deck` stands in the place of `rates`, or is laid `over` them.

    Raises NotComparableError where a card would have another currency.
    """
    _check_currencies(rates, deck)
    deck = deck.select(*RATE_COLUMNS)
    if over:
        return pl.concat([rates.select(*RATE_COLUMNS).join(deck, on=_KEY, how="anti", maintain_order="left"), deck])
    begins = deck.group_by("rate_card_id").agg(pl.col("effective_from").min().alias("begin"))
    before = rates.join(begins, on="rate_card_id", how="left", maintain_order="left")
    before = before.filter((pl.col("effective_from") < pl.col("begin")).fill_null(True))
    ends = pl.min_horizontal("effective_to", "begin")
    return pl.concat([before.with_columns(effective_to=ends).select(*RATE_COLUMNS), deck])


def price_list_of(rates: pl.DataFrame, plans: pl.DataFrame, default_card: str | None) -> PriceList:
    """The price list of rates (RATE_COLUMNS, no key twice) and plans (PLAN_COLUMNS), by the raters' own rules.

    Rate i of the list is row i of `rates`. Raises NotComparableError where a plan would no longer stand.
    """
    history = PriceHistory(default_card)
    refused = history.put_rates(rates).refused
    for why in refused.values():
        raise NotComparableError(str(why))
    history.put_plans(plans)
    history.decide_plans()
    for number in history.refused_plans().tolist():
        raise NotComparableError(f"with these rates a published plan does not stand: {history.why_refused(number)}")
    return history.price_list()


def without_plans(rates: pl.DataFrame) -> PriceList:
    """The price list of rates alone."""
    return price_list_of(rates, pl.DataFrame(schema=PLAN_COLUMNS), None)


def content_of(rates: pl.DataFrame) -> str:
    """The content of a deck as a hash of 64 hexadecimal digits: the same for the same rates, in whatever order they stand."""
    in_order = rates.select(*RATE_COLUMNS).sort(_KEY)
    return hashlib.sha256(in_order.write_csv().encode()).hexdigest()


def _check_currencies(rates: pl.DataFrame, deck: pl.DataFrame) -> None:
    ours, theirs = (each.select("rate_card_id", "currency").unique("rate_card_id") for each in (rates, deck))
    differ = ours.join(theirs, on="rate_card_id", suffix="_of_deck").filter(
        pl.col("currency") != pl.col("currency_of_deck")
    )
    for card, currency, other in differ.sort("rate_card_id").iter_rows():
        raise NotComparableError(
            f"card {card!r} is in {currency} in the one and in {other} in the other:"
            " amounts of two currencies cannot be compared"
        )
