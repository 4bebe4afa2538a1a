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
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_BASE = 11
_PLUS, _ZERO = b"+0"
_WORD = 8
_ONES = np.uint64(0x0101_0101_0101_0101)
_EIGHT_ZEROS = np.uint64(_ZERO) * _ONES
_UP_TO_NINE = np.uint64(0x76) * _ONES
_TOP_BITS = np.uint64(0x80) * _ONES
# The masks of the first 0 to 8 bytes.
_FIRST_BYTES: Words = np.array([2 ** (8 * count) - 1 for count in range(_WORD + 1)], dtype=np.uint64)


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
        codes[others] = prefix_codes(digits)
        is_no_number[others] = has_digits.to_numpy()
    return codes, is_no_number


def _codes(characters: Bytes, starts: Ints, lengths: Ints) -> tuple[Ints, Mask]:
    """The code of each text of at most 18 bytes, and whether it is all digits (else the code means nothing)."""
    # `words[i]` is the eight bytes from i on as one number, the first byte lowest.
    words: Words = np.ndarray(len(characters) - _WORD + 1, dtype="<u8", buffer=characters.data, strides=(1,))
    codes, is_number = _codes_of_eight(words[starts], lengths)
    codes *= _BASE**_WORD
    rest, is_number_too = _codes_of_eight(words[starts + _WORD], lengths - _WORD)
    codes += rest
    is_number &= is_number_too
    codes *= _BASE ** (MAX_PREFIX_DIGITS - 2 * _WORD)
    longer = np.flatnonzero(lengths > 2 * _WORD)
    rest, is_number_too = _codes_of_eight(words[starts[longer] + 2 * _WORD], lengths[longer] - 2 * _WORD)
    codes[longer] += rest // _BASE ** (3 * _WORD - MAX_PREFIX_DIGITS)
    is_number[longer] &= is_number_too
    return codes, is_number


def _codes_of_eight(words: Words, lengths: Ints) -> tuple[Ints, Mask]:
    """The codes of texts of up to eight bytes as numbers of eight digits, and whether they are all digits.

    The digits lie side by side in one integer: they become four pairs, two fours and one eight.
    """
    inside = _FIRST_BYTES[np.clip(lengths, 0, _WORD)]
    digits = (words ^ _EIGHT_ZEROS) & inside
    # Adding 0x76 sets the top bit of a byte above 9. A byte that overflows has its own top bit set, so it counts too.
    is_number = ((digits + _UP_TO_NINE) | digits) & _TOP_BITS == 0
    digits = (digits + _ONES) & inside
    pairs = digits * np.uint64(_BASE) + (digits >> np.uint64(8)) & np.uint64(0x00FF_00FF_00FF_00FF)
    fours = pairs * np.uint64(_BASE**2) + (pairs >> np.uint64(16)) & np.uint64(0x0000_FFFF_0000_FFFF)
    eights = fours * np.uint64(_BASE**4) + (fours >> np.uint64(32)) & np.uint64(0xFFFF_FFFF)
    return eights.view(np.int64), is_number


def prefix_codes(digits: pl.Series) -> Ints:
    """The code of each prefix (texts of digits), an int64: the first code of the numbers that begin with it. Only the first 18
    digits count. Another prefix has another code."""
    characters, starts, lengths = _bytes_of(digits)
    codes, _ = _codes(characters, starts, np.minimum(lengths, MAX_PREFIX_DIGITS))
    return codes


def _bytes_of(texts: pl.Series) -> tuple[Bytes, Ints, Ints]:
    """The UTF-8 bytes of all texts and some zeros, where each text begins, and how long it is. A null counts as ''."""
    array = texts.fill_null("").cast(pl.Binary).to_arrow()
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer or b"", dtype=np.uint8)
    return np.append(data, np.zeros(1 + 3 * _WORD, dtype=np.uint8)), offsets[:-1], np.diff(offsets)


def codes_of_prefix(length: Ints) -> Ints:
    """How many codes the numbers have that begin with a prefix of each length: they follow the code of the prefix."""
    codes: Ints = _BASE ** (MAX_PREFIX_DIGITS - length)
    return codes
