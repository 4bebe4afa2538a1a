"""Amounts and values per unit as plain decimals. Pure, exact, in integers."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrow import arrow_of, numpy_of

_MONEY = pa.decimal128(38, 9)
VALUE_DECIMALS = 18
_ATTOS_OF_A_NANO = 10**9
_NANOS = 10**9
_NANO_DIGITS = 9


def values_per_unit(nanos: pl.Series, units: pl.Series, mark: str = ".") -> pl.Series:
    """The value per unit of each price of `nanos` for `units`. Each distinct price is formatted once: there are few."""
    prices, counts = nanos.to_arrow().dictionary_encode(), units.to_arrow().dictionary_encode()
    # A price and a number of units are one number together: arrow tells numbers apart faster than polars does pairs.
    pairs = numpy_of(prices.indices).astype(np.int64) * len(counts.dictionary) + numpy_of(counts.indices)
    known = arrow_of(pairs).dictionary_encode()
    price_of, count_of = np.divmod(numpy_of(known.dictionary), len(counts.dictionary))
    distinct = zip(_taken(prices, price_of), _taken(counts, count_of), strict=True)
    texts = [_value_per_unit(price, count).replace(".", mark) for price, count in distinct]
    return pl.Series("value", texts, dtype=pl.String).gather(numpy_of(known.indices))


def _taken(encoded: pa.DictionaryArray, places: npt.NDArray[np.int64]) -> list[int]:
    taken: list[int] = encoded.dictionary.take(arrow_of(places)).to_pylist()
    return taken


@lru_cache(4096)
def _value_per_unit(price_nanos: int, price_units: int) -> str:
    """The exact value where it ends within 18 decimals; else 18 decimals, rounded up."""
    attos = -(-price_nanos * _ATTOS_OF_A_NANO // price_units)
    digits = f"{attos:0{VALUE_DECIMALS + 1}d}"
    return f"{digits[:-VALUE_DECIMALS]}.{digits[-VALUE_DECIMALS:]}".rstrip("0").rstrip(".")


def decimals(nanos: pl.Series, mark: str = ".") -> pl.Series:
    """Nanos as a plain decimal: no exponent, no trailing zeros, no negative zero."""
    # The digits stay the same; the point comes before the last nine of them.
    halves = np.empty((len(nanos), 2), dtype="<i8")
    halves[:, 0] = nanos.to_numpy()
    halves[:, 1] = halves[:, 0] >> 63  # the sign, spread over the upper half
    money = pl.Series(pa.Array.from_buffers(_MONEY, len(nanos), [None, pa.py_buffer(halves)]))
    digits = money.cast(pl.String).to_arrow(compat_level=pl.CompatLevel.oldest())
    plain = pl.Series(pc.ascii_rtrim(pc.ascii_rtrim(digits, "0"), "."))
    return plain if mark == "." else plain.str.replace(".", mark, literal=True)


def wide_decimals(whole: pl.Series, nanos: pl.Series) -> pl.Series:
    """Amounts that may need more than 64 bits: so many whole units, and from 0 to 999,999,999 nanos more."""
    is_negative = whole < 0
    units = whole.zip_with(~is_negative, -whole - (nanos > 0).cast(pl.Int64))
    rest = nanos.zip_with(~is_negative, (_NANOS - nanos) % _NANOS)
    digits = units.cast(pl.String) + "." + rest.cast(pl.String).str.zfill(_NANO_DIGITS)
    plain = digits.str.strip_chars_end("0").str.strip_chars_end(".")
    return plain.zip_with(~is_negative, "-" + plain)
