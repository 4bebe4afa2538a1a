"""Amounts as plain decimals, a column at a time."""

from fractions import Fraction

import polars as pl

_NANOS = 10**9
_NANO_PLACES = 9
_ATTO_PLACES = 18


def plain_decimals(nanos: pl.Series) -> pl.Series:
    """Nanos (whole numbers of any width, nulls allowed) as texts: no exponent, no zeros at the end, no negative 0."""
    amount = pl.lit(nanos.cast(pl.Int128))
    size = amount.abs()
    fraction = (size % _NANOS).cast(pl.String).str.zfill(_NANO_PLACES).str.strip_chars_end("0")
    texts = pl.concat_str(
        pl.when(amount < 0).then(pl.lit("-")).otherwise(pl.lit("")),
        (size // _NANOS).cast(pl.String),
        pl.when(fraction == "").then(pl.lit("")).otherwise("." + fraction),
    )
    return pl.select(texts).to_series().alias(nanos.name)


def plain(nanos: int) -> str:
    """One amount as a plain decimal."""
    return _text(nanos, _NANO_PLACES)


def per_unit(price_nanos: int, price_units: int) -> Fraction:
    """The price of one unit, in nanos."""
    return Fraction(price_nanos, price_units)


def plain_value(nanos: Fraction) -> str:
    """A value per unit or the difference of two: exactly where it ends within 18 decimals, else with 18, rounded away from
    zero, as the CSV of an export prints it."""
    attos = abs(nanos) * 10 ** (_ATTO_PLACES - _NANO_PLACES)
    rounded = -(-attos.numerator // attos.denominator)
    return _text(rounded if nanos >= 0 else -rounded, _ATTO_PLACES)


def _text(number: int, places: int) -> str:
    whole, fraction = divmod(abs(number), 10**places)
    text = f"{whole}.{fraction:0{places}d}".rstrip("0").rstrip(".")
    return f"-{text}" if number < 0 else text
