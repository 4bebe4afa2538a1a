"""Amounts as they are written: plain decimals, read as whole nanos (1e-9) and written back.

A value per unit may have 18 decimal places, because a price that is divided may need more than nine. It is read as whole attos
(1e-18).
"""

import re
from typing import Final

_PLAIN: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]*[1-9]))?", re.ASCII)
_NANO_PLACES: Final = 9
_ATTO_PLACES: Final = 18
_ATTOS_OF_A_NANO: Final = 10**9


def nanos_of(text: str) -> int | None:
    """None for what is no plain decimal of nine decimal places at most: an exponent, a thousands separator, zeros too many, a
    negative zero."""
    return _scaled(text, _NANO_PLACES)


def attos_of(text: str) -> int | None:
    """The same of a value per unit, which may have 18 places."""
    return _scaled(text, _ATTO_PLACES)


def nanos_of_product(units: int, value_attos: int) -> int:
    """Units x value per unit (neither below 0), rounded to whole nanos, half up."""
    return (units * value_attos + _ATTOS_OF_A_NANO // 2) // _ATTOS_OF_A_NANO


def text_of(nanos: int) -> str:
    """The plain decimal of so many nanos."""
    text = f"{abs(nanos):010d}"
    places = text[-_NANO_PLACES:].rstrip("0")
    return ("-" if nanos < 0 else "") + text[:-_NANO_PLACES] + ("." + places if places else "")


def _scaled(text: str, most_places: int) -> int | None:
    match = _PLAIN.fullmatch(text)
    if match is None or text == "-0":
        return None
    sign, whole, places = match.groups(default="")
    if len(places) > most_places:
        return None
    scaled: int = int(whole + places.ljust(most_places, "0"))
    return -scaled if sign else scaled
