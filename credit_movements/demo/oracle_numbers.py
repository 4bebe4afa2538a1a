"""The oracle's reading of numbers: one character at a time, by Python's own Unicode tables."""

import unicodedata
from functools import cache
from urllib.parse import unquote

# Invisible, but of other categories than Cf: fillers, joiners and variation selectors.
_INVISIBLE = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, *range(0xFE00, 0xFE10), 0xFFA0}
_INVISIBLE |= set(range(0xE0100, 0xE01F0))
_DASHES = {"HYPHEN BULLET", "KATAKANA-HIRAGANA PROLONGED SOUND MARK", "BOX DRAWINGS LIGHT HORIZONTAL", "SWUNG DASH"}
_DASHES |= {"HALFWIDTH KATAKANA-HIRAGANA PROLONGED SOUND MARK", "MODIFIER LETTER MINUS SIGN"}
_MINUSES = {"MINUS SIGN", "SUPERSCRIPT MINUS", "SUBSCRIPT MINUS"}
_DOTS = {"MIDDLE DOT", "ONE DOT LEADER", "HYPHENATION POINT", "BULLET", "BULLET OPERATOR", "DOT OPERATOR"}
_DOTS |= {"KATAKANA MIDDLE DOT", "HALFWIDTH KATAKANA MIDDLE DOT", "FULL STOP", "FULLWIDTH FULL STOP", "SMALL FULL STOP"}
_DOTS |= {"IDEOGRAPHIC FULL STOP", "HALFWIDTH IDEOGRAPHIC FULL STOP", "ARABIC FULL STOP"}
_SLASHES = {"SOLIDUS", "FRACTION SLASH", "DIVISION SLASH", "BIG SOLIDUS", "FULLWIDTH SOLIDUS"}
_ANGLES = "<>\uff1c\uff1e\ufe64\ufe65"
_PLUSES = "+\uff0b\ufe62"


def read_number(destination: str | None) -> tuple[str, bool]:
    """The digits of a destination, '' where it is no number; and whether it has digits all the same."""
    text = _number_part("".join(filter(_counts, destination or "")))
    has_digits = any(map(str.isdecimal, text))
    digits = _without_lead("".join(_plain(each) for each in text))
    return (digits, False) if digits.isascii() and digits.isdigit() else ("", has_digits)


@cache
def _counts(character: str) -> bool:
    name = unicodedata.name(character, "")
    category = unicodedata.category(character)
    if category in {"Zs", "Zl", "Zp", "Cf", "Pd"} or character in "\t\n\v\f\r\x85" or ord(character) in _INVISIBLE:
        return False
    return name not in _DASHES | _MINUSES | _DOTS | _SLASHES


def _number_part(text: str) -> str:
    bare = text
    while bare and _plain(bare[0]) in "()":
        bare = bare[1:]
    scheme, colon, rest = bare.partition(":")
    if not colon or scheme.lower() not in {"tel", "sip", "sips"}:
        return text
    if scheme.lower() == "tel":
        ends = ";?"
    elif "@" in rest or rest[:1] in tuple(_PLUSES):
        ends = "@:;?"
    else:
        return text
    until = min([rest.find(end) for end in ends if end in rest], default=len(rest))
    return "".join(filter(_counts, unquote(rest[:until])))


@cache
def _plain(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in _PLUSES:
        return "+"
    category = unicodedata.category(character)
    if category == "Ps" or character in _ANGLES[::2]:
        return "("
    return ")" if category == "Pe" or character in _ANGLES[1::2] else character


def _without_lead(text: str) -> str:
    """Without brackets, a leading + or 00, and a (0) behind a country code. A country code is written in one piece."""
    digits, trunk_zeros, brackets_at = "", [], set()
    for index, character in enumerate(text):
        if text[index : index + 3] == "(0)":
            trunk_zeros.append(len(digits))
        if character in "()":
            brackets_at.add(len(digits))
        else:
            digits += character
    lead = 1 if digits[:1] == "+" else 2 if digits[:2] == "00" else 0
    # A (0) may stand in the lead too.
    trunk_zero = next((each for each in trunk_zeros if each > lead), None)
    if trunk_zero is None or not 1 <= trunk_zero - lead <= 3 or brackets_at & set(range(lead + 1, trunk_zero)):
        return digits[lead:]
    country_code = digits[lead:trunk_zero]
    if not country_code.isdigit() or country_code[0] == "0":
        return digits[lead:]
    return country_code + digits[trunk_zero + 1 :]
