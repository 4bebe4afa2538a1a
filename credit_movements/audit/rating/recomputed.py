"""Every movement computed anew from the rate that it names, by the contract's rules 3.1 to 3.4.

Written a second time on purpose: shared code would repeat the rater's mistakes, and the audit would not see them.
"""

from typing import Any

import polars as pl

from credit_movements.audit.differences import Kind
from credit_movements.audit.rating.called_numbers import PLAIN, digits_of
from schemas.adjustments import KINDS
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS
from schemas.usage import MOST_NAME_CHARACTERS
from streams.pricing.rates import TOP_UP

_NAMED_BY = ["rate_card_id", "description", "destination_prefix", "rate_effective_from"]


def faults(movements: pl.DataFrame, rates: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
    """The movements that are wrong, with a column `kind`, and beside them what `detail` needs.

    `movements`: the columns of CreditMovement and `rated_at` (Kafka's time of the movement, microseconds); `rates` and
    `cards`: the tables of RateHistory.
    """
    joined = (
        movements.join(rates, on=_NAMED_BY, how="left", maintain_order="left")
        .join(cards, on="rate_card_id", how="left", maintain_order="left")
        .with_columns(_right_units().alias("right_units"))
    )
    joined = joined.with_columns(_covers(joined).alias("covers"))
    topic = pl.col("source_topic")
    return joined.with_columns(
        kind=pl.when(topic == TOP_UP_EVENTS.name)
        .then(
            _fault_of_amount(
                (pl.col("description") == TOP_UP) & (pl.col("credit_movement_nanos") > 0) & _corrects_nothing()
            )
        )
        .when(topic == ADJUSTMENT_EVENTS.name)
        .then(_fault_of_amount(pl.col("description").is_in(KINDS) & (pl.col("credit_movement_nanos") != 0)))
        .otherwise(_fault_of_charge())
    ).filter(pl.col("kind").is_not_null())


def detail(movement: dict[str, Any]) -> str:
    """What is wrong with one row of `faults`, for a person."""
    named = "|".join(str(movement[name]) for name in _NAMED_BY)
    if movement["kind"] == Kind.UNKNOWN_RATE:
        return f"it names {named}"
    if movement["kind"] == Kind.WRONG_RATE:
        return f"number {movement['destination']!r} at {movement['occurred_at']} by the rate {named}"
    said = (
        f"{movement['quantity']} came to {movement['units_charged']} {movement['unit']} at"
        f" {movement['price_nanos']} / {movement['price_units']} = {movement['credit_movement_nanos']} nanos"
        f" {movement['currency']}"
    )
    if movement["source_topic"] in (TOP_UP_EVENTS.name, ADJUSTMENT_EVENTS.name):
        return f"{said}, on a card in {movement['card_currency']}"
    price = f"{movement['rate_price_nanos']} / {movement['rate_price_units']} {movement['rate_currency']}"
    return (
        f"{said} to {movement['destination_name']!r}; its rate gives {movement['right_units']} {movement['rate_unit']} at"
        f" {price} to {movement['rate_destination_name']!r}"
    )


def _fault_of_charge() -> pl.Expr:
    return (
        pl.when(pl.col("rate_unit").is_null())
        .then(pl.lit(Kind.UNKNOWN_RATE.value))
        .when(~pl.col("covers") | ~_was_in_force())
        .then(pl.lit(Kind.WRONG_RATE.value))
        .when(
            pl.col("units_charged").ne_missing(pl.col("right_units"))
            | pl.col("price_nanos").ne_missing(pl.col("rate_price_nanos"))
            | pl.col("price_units").ne_missing(pl.col("rate_price_units"))
            | (_wide("credit_movement_nanos") + _right_charge() != 0)
            | (pl.col("unit") != pl.col("rate_unit"))
            | (pl.col("currency") != pl.col("rate_currency"))
            | _is_of_another_name()
            | ~_corrects_nothing()
        )
        .then(pl.lit(Kind.WRONG_AMOUNT.value))
    )


def _is_of_another_name() -> pl.Expr:
    """A movement that was made before it had a name of its destination has none."""
    return (pl.col("destination_name") != pl.col("rate_destination_name").str.head(MOST_NAME_CHARACTERS)).fill_null(
        False
    )


def _corrects_nothing() -> pl.Expr:
    return pl.col("corrected_movement_id").is_null() & pl.col("reason").is_null()


def _fault_of_amount(is_right: pl.Expr) -> pl.Expr:
    """Of a top-up or adjustment; `is_right` is what they differ in. Their amounts must be the events': `accounts` compares
    them."""
    return (
        pl.when(pl.col("card_currency").is_null())
        .then(pl.lit(Kind.UNKNOWN_RATE.value))
        .when(
            ~is_right
            | (pl.col("units_charged") != 0)
            | (pl.col("price_nanos") != 0)
            | (pl.col("price_units") != 1)
            | (pl.col("quantity") != 0)
            | (pl.col("unit") != "")
            | (pl.col("currency") != pl.col("card_currency"))
            | pl.col("destination_prefix").is_not_null()
            | pl.col("destination_name").is_not_null()
            | pl.col("rate_effective_from").is_not_null()
        )
        .then(pl.lit(Kind.WRONG_AMOUNT.value))
    )


def _right_units() -> pl.Expr:
    quantity, initial, increment = (pl.col(name) for name in ("quantity", "rate_initial_increment", "rate_increment"))
    steps = (quantity - initial + increment - 1) // increment
    billed = (
        pl.when(quantity == 0)
        .then(pl.lit(0, pl.Int64))
        .when(quantity <= initial)
        .then(initial)
        .otherwise(initial + steps * increment)
    )
    return billed // pl.col("rate_unit_size")


def _right_charge() -> pl.Expr:
    """Units x price / price units, 128 bits wide: the whole nanos, and one more where at least half a nano is left."""
    price, units = _wide("units_charged") * _wide("price_nanos"), _wide("price_units")
    left = price % units
    return price // units + (left + left >= units).cast(pl.Int128)


def _covers(movements: pl.DataFrame) -> pl.Series:
    """Whether the digits of each destination begin with the prefix. Most numbers are plain digits behind a plus, and do so as
    they are; only the others are read."""
    number, prefix = pl.col("destination"), pl.col("destination_prefix")
    plainly = number.str.contains(PLAIN) & number.str.starts_with("+" + prefix)
    covers = movements.select((plainly | (prefix == "")).fill_null(False)).to_series()
    others = (~covers).arg_true()
    if len(others) == 0:
        return covers
    pairs = movements.select(number, prefix)[others].with_columns(digits=digits_of(movements["destination"][others]))
    return covers.scatter(others, pairs.select(pl.col("digits").str.starts_with(prefix).fill_null(False)).to_series())


def _was_in_force() -> pl.Expr:
    """An end that was published after the movement was made changes nothing (rule 3.7 of the contract)."""
    at, end = pl.col("occurred_at"), pl.col("rate_effective_to")
    return (pl.col("rate_effective_from") <= at) & (
        end.is_null() | (at < end) | (pl.col("rated_at") <= pl.col("rate_ended_at"))
    )


def _wide(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int128)
