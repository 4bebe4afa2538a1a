"""The cells of a rate deck: from texts to values. A wrong text raises a ValueError with a sentence for the author.

A column of cells is read with the same functions, each distinct text once: a deck of 200,000 lines has few prices and times.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime

import polars as pl

from streams.pricing.rates import micros_of

_DECIMAL_PLACES = 9
_MOST_SHOWN = 40
_DECIMAL = re.compile(r"(-?)(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))")
# Invisible characters that are no format characters (category Cf): fillers and variation selectors.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(point) for each in (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)) for point in each
}


def price_nanos(text: str) -> int:
    """Nanos of a decimal price, exactly."""
    found = _DECIMAL.fullmatch(text)
    if not found:
        raise ValueError(f"'{_shown(text)}' is no decimal number such as 0.035: digits and a point alone")
    whole, fraction = (found[2] or "").lstrip("0"), (found[3] or found[4] or "").rstrip("0")
    if len(whole) > _DECIMAL_PLACES:
        raise ValueError(f"'{_shown(text)}' must be below 1,000,000,000")
    if len(fraction) > _DECIMAL_PLACES:
        raise ValueError(
            f"'{_shown(text)}' has {len(fraction)} decimal places, at most {_DECIMAL_PLACES} can be charged exactly"
        )
    return int(found[1] + (whole or "0") + fraction.ljust(_DECIMAL_PLACES, "0"))


def whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"'{_shown(text)}' is no whole number")
    return int(text)


def time_micros(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{_shown(text)}' is no ISO 8601 time such as 2026-01-31T00:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError(f"'{text}' has no time zone: write 2026-01-31T00:00:00Z")
    return micros_of(at)


def check_characters(text: str, is_name: bool) -> None:
    """Refuse control characters: a line's end in a cell mostly means an unbalanced quote that has swallowed lines. Refuse
    invisible characters in a name too, since others must write it the same way."""
    if text.isprintable() and not (is_name and (" " in text or not text.isascii())):
        return
    for number, character in enumerate(text, 1):
        if kind := _unwanted(character, is_name):
            shown = ascii(text) if len(text) <= _MOST_SHOWN else ascii(text[:_MOST_SHOWN] + "...")
            raise ValueError(f"{shown} has {kind} (U+{ord(character):04X}) as character {number}: write it without")


def values_of(texts: pl.Series, value_of: Callable[[str], int]) -> pl.Series:
    """The value of each text (strings without nulls) as Int64, null where `value_of` raises a ValueError."""
    distinct = texts.unique()
    values = pl.Series([_value_or_none(text, value_of) for text in distinct], dtype=pl.Int64)
    return texts.replace_strict(distinct, values, return_dtype=pl.Int64) if len(texts) else values.alias(texts.name)


def are_clean(texts: pl.Series, is_name: bool) -> pl.Series:
    """Which of the texts (strings without nulls) `check_characters` takes."""
    plain = ~texts.str.contains(r"[^!-~]" if is_name else r"[^ -~]")
    if plain.all():
        return plain
    refused = [text for text in texts.filter(~plain).unique() if not _is_clean(text, is_name)]
    return ~texts.is_in(refused)


def _value_or_none(text: str, value_of: Callable[[str], int]) -> int | None:
    try:
        return value_of(text)
    except ValueError:
        return None


def _is_clean(text: str, is_name: bool) -> bool:
    try:
        check_characters(text, is_name)
    except ValueError:
        return False
    return True


def _unwanted(character: str, is_name: bool) -> str | None:
    category = unicodedata.category(character)
    if category == "Cc":
        return "a control character"
    if not is_name:
        return None
    if category.startswith("Z"):
        return "a blank"
    return "an invisible character" if category == "Cf" or character in _INVISIBLE else None


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
