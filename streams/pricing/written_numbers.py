"""Takes telephone numbers, as people and their systems write them, down to their digits (docs/reference/CONTRACT.md, rule 3.1).

The regular expressions of Polars bring their own Unicode tables, so every machine reads a number alike, whatever its Python.
"""

from urllib.parse import unquote

import polars as pl

_DOTS = r".\u{B7}\u{6D4}\u{2022}\u{2024}\u{2027}\u{2219}\u{22C5}\u{3002}\u{30FB}\u{FE52}\u{FF0E}\u{FF61}\u{FF65}"
# Unicode's dashes, and what people type for one: the hyphen bullet, the modifier's minus, the box's line, and the sign of a
# long vowel in Japanese.
_DASHES = r"\p{Dash}\p{Pd}\u{2043}\u{2D7}\u{2500}\u{30FC}\u{FF70}"
_SLASHES = r"/\u{2044}\u{2215}\u{29F8}\u{FF0F}"
_INVISIBLE = r"\p{Cf}\p{Default_Ignorable_Code_Point}"
_SEPARATORS = rf"[\s{_INVISIBLE}{_DOTS}{_DASHES}{_SLASHES}]"
_OPENING, _CLOSING = r"[\p{Ps}<\u{FF1C}\u{FE64}]", r"[\p{Pe}>\u{FF1E}\u{FE65}]"
_BRACKETS = rf"[{_OPENING}{_CLOSING}]"
_PLUS = r"[+\u{FF0B}\u{FE62}]"

# Without an @ a sip: URI names a host alone, unless it begins as no host does.
_URI = rf"(?is)^{_BRACKETS}*(?:tel:([^;?]*)|sips?:(?:([^@:;?]*)[^@]*@|({_PLUS}[^:;?]*))).*$"
_TRUNK_ZERO = rf"^{_BRACKETS}*(?:\+|0{_BRACKETS}*0)?{_BRACKETS}*([1-9][0-9]{{0,2}}){_BRACKETS}*{_OPENING}0{_CLOSING}"
_INTERNATIONAL = r"^(?:\+|00)"

_ZEROS_BUT_ASCII = """
660 6F0 7C0 966 9E6 A66 AE6 B66 BE6 C66 CE6 D66 DE6 E50 ED0 F20 1040 1090 17E0 1810 1946 19D0 1A80 1A90 1B50 1BB0 1C40 1C50
A620 A8D0 A900 A9D0 A9F0 AA50 ABF0 FF10 104A0 10D30 10D40 11066 110F0 11136 111D0 112F0 11450 114D0 11650 116C0 116D0 116DA
11730 118E0 11950 11BF0 11C50 11D50 11DA0 11F50 16130 16A60 16AC0 16B50 16D70 1CCF0 1D7CE 1D7D8 1D7E2 1D7EC 1D7F6 1E140 1E2F0
1E4F0 1E5F1 1E950 1FBF0
"""
# Each digit that is not ASCII → the ASCII digit.
DIGITS_OF_ALL_SCRIPTS = {
    chr(int(zero, 16) + digit): str(digit) for zero in _ZEROS_BUT_ASCII.split() for digit in range(10)
}


def digits_of(destinations: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The digits of each destination (strings without nulls), '' where it is no number; and whether it has digits and yet is no
    number. Of a URI only the part for the number counts."""
    texts = _number_parts(destinations.str.replace_all(_SEPARATORS, ""))
    if texts.str.contains(r"[^\x00-\x7F]").any():
        texts = texts.str.replace_many(DIGITS_OF_ALL_SCRIPTS).str.replace_all(_PLUS, "+")
    bare = texts.str.replace(_TRUNK_ZERO, "${1}").str.replace_all(_BRACKETS, "").str.replace(_INTERNATIONAL, "")
    is_number = bare.str.contains("^[0-9]+$")
    return bare.set(~is_number, ""), ~is_number & texts.str.contains("[0-9]")


def _number_parts(texts: pl.Series) -> pl.Series:
    """The part of each URI for the number, with its escapes read; other texts as they are."""
    if not texts.str.contains(":", literal=True).any():
        return texts
    is_uri = texts.str.contains(_URI)
    parts = texts.str.replace(_URI, "${1}${2}${3}")
    # Mostly the + is escaped. Other escapes are read one by one, which takes longer.
    parts = parts.zip_with(~is_uri, parts.str.replace_many(["%2B", "%2b"], ["+"]))
    is_escaped = is_uri & parts.str.contains("%", literal=True)
    if not is_escaped.any():
        return parts
    read = pl.Series([unquote(each) for each in parts.filter(is_escaped)], dtype=pl.String)
    return parts.scatter(is_escaped.arg_true(), read.str.replace_all(_SEPARATORS, ""))
