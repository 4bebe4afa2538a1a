"""Telephone numbers and prefixes as integers, so that 'begins with' becomes 'lies between'.

In base 11 a digit d counts as d + 1, and a missing digit as 0. So all numbers that begin with a prefix are one range of
integers, and a number that is shorter than the prefix lies outside of that range.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.events.sorted_keys import Ints
from streams.pricing.rates import MAX_PREFIX_DIGITS
from streams.pricing.written_numbers import digits_of

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_BASE = 11
_PLUS, _ZERO = b"+0"


def number_codes(destinations: pl.Series) -> tuple[Ints, Mask]:
    """The code of each destination (strings, nulls allowed), an int64; and whether it has digits and yet is no number.

    A destination that is missing or no number (docs/reference/CONTRACT.md, rule 3.1) gets 0, which lies only in the range of
    the prefix ''. Only the first 18 digits count.
    """
    characters, starts, lengths = _bytes_of(destinations)
    # Nearly all are + and at most 18 digits: these are read from the bytes at once. The others take the long way.
    first = characters[starts]
    has_plus = first == _PLUS
    is_short = (lengths > has_plus) & (lengths <= MAX_PREFIX_DIGITS + has_plus) & (has_plus | (first != _ZERO))
    codes, is_number = _codes(characters, starts + has_plus, np.where(is_short, lengths - has_plus, 0))
    is_no_number = np.zeros(len(codes), dtype=bool)
    others = np.flatnonzero((lengths > 0) & ~(is_short & is_number))
    if len(others):
        digits, has_digits = digits_of(destinations.gather(others))
        codes[others] = _codes_of_digits(digits)
        is_no_number[others] = has_digits.to_numpy()
    return codes, is_no_number


def _codes(characters: Bytes, starts: Ints, lengths: Ints) -> tuple[Ints, Mask]:
    """The code of each text of at most 18 bytes, and whether it is all digits (else the code means nothing)."""
    codes = np.zeros(len(starts), dtype=np.int64)
    is_number = np.ones(len(starts), dtype=bool)
    for index in range(MAX_PREFIX_DIGITS):
        is_inside = index < lengths
        digits = characters[starts + index] - np.uint8(_ZERO)
        is_number &= (digits <= 9) | ~is_inside
        codes *= _BASE
        codes += np.where(is_inside, digits + np.uint8(1), 0)
    return codes, is_number


def _codes_of_digits(digits: pl.Series) -> Ints:
    characters, starts, lengths = _bytes_of(digits)
    codes, _ = _codes(characters, starts, np.minimum(lengths, MAX_PREFIX_DIGITS))
    return codes


def _bytes_of(texts: pl.Series) -> tuple[Bytes, Ints, Ints]:
    """The UTF-8 bytes of all texts and some zeros, where each text begins, and how long it is. A null counts as ''."""
    array = texts.fill_null("").cast(pl.Binary).to_arrow()
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer or b"", dtype=np.uint8)
    return np.append(data, np.zeros(1 + MAX_PREFIX_DIGITS, dtype=np.uint8)), offsets[:-1], np.diff(offsets)


def prefix_range(prefix: str) -> tuple[int, int]:
    """The codes of the numbers that begin with `prefix` (digits): first, and first no longer."""
    first = sum((int(digit) + 1) * _BASE ** (MAX_PREFIX_DIGITS - 1 - index) for index, digit in enumerate(prefix))
    return first, first + _BASE ** (MAX_PREFIX_DIGITS - len(prefix))
