"""What is wrong, or was set, between the lines of a deck: each of them may be right by itself.

`rates`: the columns of Rate and `line`, rising.
"""

import polars as pl

from streams.pricing.deck.fault import LINE, Fault
from streams.pricing.rates import rfc3339

_PRICE = ["rate_card_id", "usage_type", "destination_prefix"]
_NEXT = "next_"


def with_ends(rates: pl.DataFrame) -> tuple[pl.DataFrame, list[Fault]]:
    """The rates, each open rate ending where the next open rate of its card, type and prefix begins; and a note for each end
    set.

    By rule 3.1 of the contract the later rate is charged from there on anyway, so the author need not write that end.
    """
    ended = _pairs_of_one_price(rates).filter(
        pl.col("effective_to").is_null(),
        pl.col("next_effective_to").is_null(),
        pl.col("effective_from") < pl.col("next_effective_from"),
    )
    if len(ended) == 0:
        return rates, []
    ends = ended.select(LINE, pl.col("next_effective_from").alias("end"))
    rates = rates.join(ends, on=LINE, how="left", maintain_order="left")
    rates = rates.with_columns(pl.coalesce("effective_to", "end").alias("effective_to")).drop("end")
    notes = [
        Fault(line, "effective_to", f"set to {rfc3339(end)}, where line {next_line} begins")
        for line, next_line, end in ended.select(LINE, "next_line", "next_effective_from").iter_rows()
    ]
    return rates, sorted(notes)


def faults_between(rates: pl.DataFrame) -> list[Fault]:
    """Duplicates, overlapping periods, and cards in two currencies: faults of two lines together, each named at the later
    one."""
    faults = [
        Fault(line, "currency", f"{currency}, but card '{card}' is in {first} (line {first_line})")
        for line, card, currency, first, first_line in _in_other_currencies(rates).iter_rows()
    ]
    pairs = _pairs_of_one_price(rates)
    is_same = pl.col("effective_from") == pl.col("next_effective_from")
    for line, next_line in pairs.filter(is_same).select(LINE, "next_line").iter_rows():
        later, earlier = max(line, next_line), min(line, next_line)
        faults.append(Fault(later, "effective_from", f"the same card, type, prefix and start as line {earlier}"))
    ends_later = (pl.col("effective_to") > pl.col("next_effective_from")).fill_null(True)
    overlapping = pairs.filter(~is_same & ends_later).select(LINE, "next_line", "next_effective_from")
    for line, next_line, begin in overlapping.iter_rows():
        later, earlier = max(line, next_line), min(line, next_line)
        overlap = f"its period overlaps with that of line {earlier}"
        faults.append(
            Fault(later, "effective_from", f"{overlap}: write {rfc3339(begin)} as effective_to of line {line}")
        )
    return faults


def alike_but_for_case(rates: pl.DataFrame, column: str, so: str) -> list[Fault]:
    """Names of `column` that differ only in case from one in an earlier line, once for each."""
    first_of: dict[str, tuple[int, str]] = {}
    faults = []
    for line, name in rates.select(LINE, column).unique(column, keep="first", maintain_order=True).iter_rows():
        first_line, first = first_of.setdefault(name.casefold(), (line, name))
        if name != first:
            faults.append(
                Fault(line, column, f"'{name}' differs from '{first}' (line {first_line}) in case alone: {so}")
            )
    return faults


def _in_other_currencies(rates: pl.DataFrame) -> pl.DataFrame:
    """line, card, currency; and the currency and the line of the card's first rate, from which it differs."""
    firsts = rates.unique("rate_card_id", keep="first", maintain_order=True)
    firsts = firsts.select("rate_card_id", pl.col("currency").alias("first"), pl.col(LINE).alias("first_line"))
    found = rates.select(LINE, "rate_card_id", "currency").join(firsts, on="rate_card_id")
    return found.filter(pl.col("currency") != pl.col("first"))


def _pairs_of_one_price(rates: pl.DataFrame) -> pl.DataFrame:
    """Each two lines of one card, type and prefix of which one begins next after the other: the columns of the first, and
    those of the second with `next_` before their names."""
    periods = ["effective_from", "effective_to", LINE]
    by_price = rates.select(*_PRICE, *periods).sort(*_PRICE, "effective_from", LINE)
    is_pair = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in _PRICE)
    followed = by_price.with_columns(pl.col(periods).shift(-1).name.prefix(_NEXT), is_pair=is_pair)
    return followed.filter("is_pair")
