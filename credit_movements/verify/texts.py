"""Texts that a spreadsheet would run as a formula, and how a CSV of ours keeps it from that."""

from typing import Final

_FORMULA: Final = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n")


def may_run(text: str) -> bool:
    return text.lstrip("\0")[:1] in _FORMULA


def guarded(text: str) -> str:
    """As a CSV has it."""
    return "'" + text if may_run(text) else text
