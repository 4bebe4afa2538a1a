"""Amounts as they are written: plain decimals with at most nine places, read as whole nanos (1e-9) and written back."""

import re
from typing import Final

_PLAIN: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]{0,8}[1-9]))?", re.ASCII)
_NANOS: Final = 10**9


def nanos_of(text: str) -> int | None:
    """None for what is no plain decimal: an exponent, a thousands separator, zeros too many, a negative zero."""
    match = _PLAIN.fullmatch(text)
    if match is None or text == "-0":
        return None
    sign, whole, places = match.groups()
    nanos = int(whole) * _NANOS + int((places or "").ljust(9, "0"))
    return -nanos if sign else nanos


def text_of(nanos: int) -> str:
    """The plain decimal of so many nanos."""
    text = f"{abs(nanos):010d}"
    places = text[-9:].rstrip("0")
    return ("-" if nanos < 0 else "") + text[:-9] + ("." + places if places else "")
