"""The digits of a destination, by rule 3.1 of the contract. The audit has code of its own for it."""

import re
import unicodedata
from urllib.parse import unquote

import polars as pl

PLAIN = r"^\+[0-9]+$"
_DROPPED_CATEGORIES = {"Zs", "Zl", "Zp", "Cf", "Pd"}
_WHITE = "\t\n\v\f\r\x85"
_DOTS = ".\u00b7\u06d4\u2022\u2024\u2027\u2219\u22c5\u3002\u30fb\ufe52\uff0e\uff61\uff65"
_DASHES = "\u02d7\u2043\u2053\u207b\u208b\u2212\u2500\u30fc\uff70"
_SLASHES = "/\u2044\u2215\u29f8\uff0f"
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
_DROPPED = frozenset(_WHITE + _DOTS + _DASHES + _SLASHES + _FILLERS)
_VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_ONE_FOR_MANY = {
    "\uff0b": "+",
    "\ufe62": "+",
    **dict.fromkeys("<\uff1c\ufe64", "("),
    **dict.fromkeys(">\uff1e\ufe65", ")"),
}
_TRUNK_ZERO = re.compile(r"[()]*(?:\+|0[()]*0)?[()]*([1-9][0-9]{0,2})[()]*\(0\)", re.ASCII)


def digits_of(destinations: pl.Series) -> pl.Series:
    """The digits of each destination (strings), '' where it is no number, null where there is none."""
    others = destinations.filter(~destinations.str.contains(PLAIN)).unique()
    read = pl.Series([_digits(each) for each in others], dtype=pl.String)
    return destinations.replace(others, read).str.strip_prefix("+")


def _digits(destination: str) -> str:
    text = _number_part(_plain_text(destination))
    if found := _TRUNK_ZERO.match(text):
        text = found[1] + text[found.end() :]
    bare = text.replace("(", "").replace(")", "")
    bare = bare[1:] if bare.startswith("+") else bare.removeprefix("00")
    return bare if bare.isascii() and bare.isdigit() else ""


def _number_part(text: str) -> str:
    scheme, _, rest = text.lstrip("()").partition(":")
    match scheme.lower():
        case "tel":
            part = re.split("[;?]", rest)[0]
        case "sip" | "sips" if "@" in rest or rest.startswith("+"):
            part = re.split("[@:;?]", rest)[0]
        case _:
            return text
    return _plain_text(unquote(part))


class _Characters(dict[int, str]):
    """What each character becomes, found out once: '' if it is dropped; the ASCII digit, plus or bracket for one of any script;
    else itself."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain(chr(code))
        return plain


_CHARACTERS = _Characters()


def _plain_text(text: str) -> str:
    return text.translate(_CHARACTERS)


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category in _DROPPED_CATEGORIES or character in _DROPPED or any(ord(character) in each for each in _VARIATIONS):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return _ONE_FOR_MANY.get(character) or {"Ps": "(", "Pe": ")"}.get(category, character)
