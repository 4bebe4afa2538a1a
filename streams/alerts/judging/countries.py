"""The country that a number is in, as far as its first digits say it: its calling code, as 44 or 225.

The codes are those of the ITU's list (E.164): no code begins another one. The countries and services that share 1 with the
United States and Canada are told apart by the three digits behind it (NANPA's list): calls to them are what fraud likes.
"""

from typing import Final

import numpy as np
import polars as pl

from streams.events.sorted_keys import Ints
from streams.pricing.numbers import number_codes, prefix_codes
from streams.pricing.rates import MAX_PREFIX_DIGITS

NO_COUNTRY: Final = 0
_OF_ONE_DIGIT: Final = "1 7"
_OF_TWO_DIGITS: Final = (
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58"
    " 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"
)
_BEHIND_ONE: Final = (
    "242 246 264 268 284 340 345 441 473 649 658 664 670 671 684 721 758 767 784 787 809 829 849 868 869 876 900 939"
)
_DIGITS: Final = 4
_BASE: Final = 11
_FIRST_DIGITS: Final = _BASE ** (MAX_PREFIX_DIGITS - _DIGITS)


def countries(destinations: pl.Series) -> Ints:
    """The calling code of each destination (strings, nulls allowed), NO_COUNTRY where it is missing or no number."""
    codes, _ = number_codes(destinations)
    found: Ints = _COUNTRIES[codes // _FIRST_DIGITS]
    return found


def _table() -> Ints:
    """By the first four digits of a number, in base 11 as in `pricing.numbers`."""
    table = np.full(_BASE**_DIGITS, NO_COUNTRY, dtype=np.int64)
    shorter = {*_OF_ONE_DIGIT.split(), *_OF_TWO_DIGITS.split()}
    three = {f"{number:03}" for number in range(200, 1000)}
    of_three = {each for each in three if not shorter & {each[:1], each[:2]}}
    # Longer ones last: they are parts of the ranges of 1.
    for code in (*sorted(shorter), *sorted(of_three), *(f"1{area}" for area in _BEHIND_ONE.split())):
        first = int(prefix_codes(pl.Series([code]))[0]) // _FIRST_DIGITS
        table[first : first + _BASE ** (_DIGITS - len(code))] = int(code)
    return table


_COUNTRIES: Final = _table()
