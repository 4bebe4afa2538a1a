"""Two price lists compared: which rates are added, ended or changed, from when to when, and by how much. Pure.

A price line is a card, a usage type and a prefix. The time of a line is cut wherever a rate of it begins or ends, or one of a
shorter prefix that would take its place. In each piece both lists are asked what the numbers of that prefix cost, so what a
reader sees is what an event would be charged.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from streams.events.names import indexed
from streams.events.sorted_keys import NONE, Ints
from streams.pricing.numbers import prefix_codes
from streams.pricing.rate_columns import Number
from streams.pricing.rates import MAX_PREFIX_DIGITS, TIME_UNITS
from streams.pricing.rating import PriceList, charged, units_charged

LINE: Final = ("rate_card_id", "usage_type", "destination_prefix")
ADDED, ENDED, CHANGED = "added", "ended", "changed"
# What a use of each type mostly is, in the event's quantity: a call of a minute and a half (so that increments count), an
# agent's three minutes, a minute of speech, one fragment, one message.
TYPICAL: Final = {"call": 90, "ai-voice-agents": 180, "stt": 60, "sms": 1, "whatsapp": 1, "mms": 1}
_TYPICAL_SECONDS: Final = 60
_CONTENT: Final = ("unit", "initial_increment", "increment", "price_nanos", "price_units", "currency")


@dataclass(frozen=True)
class Changes:
    """`table`: a row for each price line and period in which something is another one, with the columns

    - of LINE, `destination_name`, `kind` (ADDED, ENDED, CHANGED), `effective_from`, `effective_to` (microseconds; null: open);
    - `old_prefix`, `old_unit`, `old_initial_increment`, `old_increment`, `old_price_nanos`, `old_price_units`,
      `old_currency`, `old_typical_nanos`, all null where numbers of the prefix had no rate; and the same with `new_`;
    - `typical_quantity`.

    An ended line whose `new_prefix` is not null is charged by that shorter prefix; where it is null, its numbers lose their
    rate, but for those of longer prefixes. `unchanged`: how many price lines have no row.
    """

    table: pl.DataFrame
    unchanged: int

    @property
    def lost(self) -> pl.DataFrame:
        """The rows by which numbers lose their rate."""
        return self.table.filter(pl.col("new_prefix").is_null())

    def count(self, kind: str) -> int:
        """How many price lines have a row of this kind."""
        return int(self.table.filter(kind=kind).n_unique(subset=LINE))


def changes_between(old_rates: pl.DataFrame, old: PriceList, new_rates: pl.DataFrame, new: PriceList) -> Changes:
    """Compare the rates (RATE_COLUMNS) of two lists, each with the list that was made of them."""
    lines = pl.concat([old_rates.select(LINE), new_rates.select(LINE)]).unique().sort(LINE)
    pieces = _pieces(lines, pl.concat([old_rates, new_rates], how="diagonal"))
    sides = [_side(pieces, "old", old_rates, old), _side(pieces, "new", new_rates, new)]
    pieces = pl.concat([pieces, *sides], how="horizontal")
    pieces = pieces.with_columns(
        _kind().alias("kind"), pl.coalesce("new_name", "old_name").alias("destination_name"), _typical_quantity()
    )
    found = _put_together(pieces).filter(pl.col("kind").is_not_null())
    amounts = [_typical_nanos(found, name, prices) for name, prices in (("old", old), ("new", new))]
    table = found.with_columns(amounts).drop("old_row", "new_row", "old_name", "new_name")
    return Changes(table, len(lines) - table.n_unique(subset=LINE) if len(table) else len(lines))


def _pieces(lines: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """LINE, `effective_from` and `effective_to` (null: open) of each piece of time of each line."""
    times = pl.concat(
        rates.select(*LINE, pl.col(name).alias("effective_from")).drop_nulls()
        for name in ("effective_from", "effective_to")
    ).unique()
    card, usage_type, prefix = LINE
    cut = []
    for digits in range(MAX_PREFIX_DIGITS + 1):
        longer = lines.filter(pl.col(prefix).str.len_chars() >= digits)
        longer = longer.with_columns(pl.col(prefix).str.slice(0, digits).alias("shorter"))
        cut.append(
            longer.join(
                times, left_on=[card, usage_type, "shorter"], right_on=[card, usage_type, prefix], how="inner"
            ).select(*LINE, "effective_from")
        )
    pieces = pl.concat(cut).unique().sort(*LINE, "effective_from")
    return pieces.with_columns(pl.col("effective_from").shift(-1).over(LINE).alias("effective_to"))


def _side(pieces: pl.DataFrame, side: str, rates: pl.DataFrame, prices: PriceList) -> pl.DataFrame:
    """What one of the lists says of each piece, `side` before each name: the row of the rate (NONE: there is none), its prefix,
    name and content (null)."""
    cards = {name: at for at, name in enumerate(prices.card_names.to_list()[:-1])}
    card, usage_type, prefix = (pieces[name] for name in LINE)
    types = indexed(usage_type, prices.book.type_index)
    starts = pieces["effective_from"].to_numpy()
    rows = pl.Series(prices.book.find(indexed(card, cards), types, prefix_codes(prefix), starts))
    picked = rates.select("destination_prefix", "destination_name", *_CONTENT)
    picked = picked.select(pl.all().gather(rows.set(rows == NONE, None)))
    columns = picked.rename({name: f"{side}_{name.removeprefix('destination_')}" for name in picked.columns})
    return columns.with_columns(rows.alias(f"{side}_row"))


def _kind() -> pl.Expr:
    """Null where nothing is another one, or only that of a shorter prefix, which has a row of its own."""
    prefix = pl.col("destination_prefix")
    was, is_ = (pl.col(f"{side}_prefix").eq_missing(prefix) for side in ("old", "new"))
    same = pl.all_horizontal(pl.col(f"old_{name}").eq_missing(pl.col(f"new_{name}")) for name in _CONTENT)
    kind = pl.when(was & is_ & ~same).then(pl.lit(CHANGED)).when(was & ~is_).then(pl.lit(ENDED))
    return kind.when(is_ & ~was).then(pl.lit(ADDED))


def _put_together(pieces: pl.DataFrame) -> pl.DataFrame:
    """Pieces of a line that follow each other and say the same are one."""
    said = [*LINE, "kind", *(f"{side}_{name}" for side in ("old", "new") for name in ("prefix", *_CONTENT))]
    begins = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in said).cum_sum()
    ends = pl.col("effective_to").last()
    others = [name for name in pieces.columns if name != "effective_to"]
    grouped = pieces.with_columns(begins.alias("run")).group_by("run", maintain_order=True)
    return grouped.agg(pl.col(others).first(), ends).drop("run")


def _typical_quantity() -> pl.Expr:
    """In the event's quantity: seconds, fragments or messages."""
    is_time = pl.coalesce("new_unit", "old_unit").is_in(list(TIME_UNITS))
    otherwise = pl.when(is_time).then(pl.lit(_TYPICAL_SECONDS)).otherwise(pl.lit(1))
    known = pl.col("usage_type").replace_strict(TYPICAL, default=None, return_dtype=pl.Int64)
    return pl.coalesce(known, otherwise).cast(pl.Int64).alias("typical_quantity")


def _typical_nanos(found: pl.DataFrame, side: str, prices: PriceList) -> pl.Series:
    """What a typical use is charged on that side, null where it has no rate."""
    rows: Ints = found[f"{side}_row"].to_numpy()
    priced_by = np.take(prices.numbers, rows + 1, axis=0).T
    quantities = found["typical_quantity"].to_numpy()
    nanos, _ = charged(
        units_charged(quantities, priced_by), priced_by[Number.PRICE_NANOS], priced_by[Number.PRICE_UNITS]
    )
    return pl.Series(f"{side}_typical_nanos", nanos).set(pl.Series(rows == NONE), None)
