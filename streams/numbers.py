"""Telephone numbers and prefixes as integers, so that 'begins with' becomes 'lies between'.

A digit d counts as d + 1 in base 11 and the place of a missing digit as 0: the numbers that begin with a prefix are then
one range of integers, and a number shorter than a prefix lies outside of the prefix's range.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.rates import MAX_PREFIX_DIGITS

_BASE = 11
_WEIGHTS = np.array([_BASE ** (MAX_PREFIX_DIGITS - 1 - place) for place in range(MAX_PREFIX_DIGITS)], dtype=np.int64)
# The character before '0': a missing digit.
_MISSING = chr(ord("0") - 1)
_SEPARATORS = r"[\s.\-()\[\]{}]"
_INTERNATIONAL = r"^(?:\+|00)"
_DIGITS = r"^[0-9]+$"

END_OF_NUMBERS = _BASE**MAX_PREFIX_DIGITS


def number_codes(destinations: pl.Series) -> npt.NDArray[np.int64]:
    """The code of each destination (strings, nulls allowed): int64 of the same length.

    A leading + or 00 and spaces, dots, dashes and brackets are dropped (the contract's rule 3.1). What is missing or not
    all digits after that gets 0, which lies in the range of the prefix '' alone. Only the first 18 digits count.
    """
    cleaned = destinations.str.replace_all(_SEPARATORS, "").str.replace(_INTERNATIONAL, "")
    digits = pl.select(pl.when(cleaned.str.contains(_DIGITS)).then(cleaned).otherwise(pl.lit(""))).to_series()
    fixed = digits.str.slice(0, MAX_PREFIX_DIGITS).str.pad_end(MAX_PREFIX_DIGITS, _MISSING)
    places = np.frombuffer("".join(fixed).encode(), dtype=np.uint8).reshape(-1, MAX_PREFIX_DIGITS)
    codes: npt.NDArray[np.int64] = (places - ord(_MISSING)).astype(np.int64) @ _WEIGHTS
    return codes


def prefix_range(prefix: str) -> tuple[int, int]:
    """The codes of the numbers that begin with `prefix` (digits): first, and first no longer."""
    first = sum((int(digit) + 1) * int(weight) for digit, weight in zip(prefix, _WEIGHTS, strict=False))
    return first, first + _BASE ** (MAX_PREFIX_DIGITS - len(prefix))
