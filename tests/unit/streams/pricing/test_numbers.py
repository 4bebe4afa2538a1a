"""Telephone numbers as people send them: how they are read, and which texts with digits are no numbers."""

# Look-alikes of other scripts are what this is about.
# ruff: noqa: RUF001

import unicodedata
from collections.abc import Iterable

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credit_movements.demo.oracle_numbers import read_number
from streams.pricing.numbers import number_codes
from streams.pricing.rates import MAX_PREFIX_DIGITS
from streams.pricing.written_numbers import DIGITS_OF_ALL_SCRIPTS

NUMBERS = [
    # As the publishers were asked to send them, and as people type them.
    ("+442079460000", "442079460000"),
    ("442079460000", "442079460000"),
    ("00442079460000", "442079460000"),
    ("  +44 20-7946.0000\t", "442079460000"),
    ("(+44) 20 [7946] {0000}", "442079460000"),
    ("+44/20/79460000", "442079460000"),
    ("4", "4"),
    ("02079460000", "02079460000"),
    ("+0044", "0044"),
    # URIs of telephony.
    ("tel:+442079460000", "442079460000"),
    ("TEL:+44-20-7946-0000;ext=12;phone-context=example.com", "442079460000"),
    ("tel:7946-0000;phone-context=+4420", "79460000"),
    ("tel://+442079460000", "442079460000"),
    ("<tel:+442079460000>", "442079460000"),
    ("\u202atel:+442079460000\u202c", "442079460000"),
    ("sip:+442079460000@192.0.2.1:5060;user=phone", "442079460000"),
    ("SIPS:00442079460000@gateway7.example.com", "442079460000"),
    ("sip:442079460000:secret1@example.com?subject=7", "442079460000"),
    ("sip:+442079460000;npdi;rn=+4420@example.com", "442079460000"),
    ("sip:%2B44%2020%2d7946%28%300%2900@example.com", "442079460000"),
    ("sip:%E2%80%AA+442079460000%E2%80%AC@example.com", "442079460000"),
    ("sip:+442079460000", "442079460000"),
    ("<sip:+442079460000@example.com>;tag=1", "442079460000"),
    # A zero that is dialled inside of the country alone.
    ("+44 (0)20 7946 0000", "442079460000"),
    ("0044 (0) 20 7946 0000", "442079460000"),
    ("+44-[0]-20-7946-0000", "442079460000"),
    ("(+44)(0)2079460000", "442079460000"),
    ("+353 (0)1 234", "3531234"),
    ("44 (0)20 7946 0000", "442079460000"),
    ("tel:+44(0)2079460000", "442079460000"),
    ("＋44（0）2079460000", "442079460000"),
    ("+4420 (0) 7946", "442007946"),
    ("+44 (00)20", "440020"),
    ("(0)20 7946", "0207946"),
    ("020 (0)7946", "02007946"),
    ("+49 (0)89 (0)1", "498901"),
    # Other scripts and what copying leaves.
    ("\u200e+44\u00a020\u20117946\u200b0000\u200f", "442079460000"),
    ("\ufeff+44\u202f20\u20127946\u22120000", "442079460000"),
    ("+44\u00ad20\u20607946\ufe0f0000\u061c", "442079460000"),
    ("＋４４（２０）７９４６－００００", "442079460000"),
    ("＋４４．２０／７９４６　００００", "442079460000"),
    ("+44\u2044\u0662\u0660\u0667\u0669\u0664\u0666\u0660\u0660\u0660\u0660", "442079460000"),
    ("۰۰۴۴۲۰۷۹۴۶۰۰۰۰", "442079460000"),
    ("\u0966\u0966\u096a\u096a20", "4420"),
    ("+81ー3・1234〜5678", "81312345678"),
    ("+44 (\u0660)20", "4420"),
    ("\U0001d7d2\U0001d7d2", "44"),
    # No more than 18 digits count.
    ("+123456789012345678", "123456789012345678"),
    ("+123456789012345678999", "123456789012345678"),
    ("1234567890 1234567890 1234567890", "123456789012345678"),
]  # fmt: skip
# Nothing that anybody could have meant as a number.
WITHOUT_DIGITS = [
    None,
    "",
    "+",
    "anonymous",
    "restricted",
    "()",
    "sip:alice@192.0.2.1:5060",
    "tel:",
    "sip:@",
    "\u200e",
    "½",
]
# Somebody sent a number, and it cannot be read.
NOT_NUMBERS = [
    "12ab", "+44x7", "sip:alice2@example.com", "++44", "+44+20", "44;ext=7", "+44 20 ext 7", "whatsapp:+4420", "sip:192.0.2.1",
    "sip:2079460000", "tel:44#1", "tel:%2B44%41", "%2B4420", "+44①", "*100#", "+44\x0020", "4420@example.com", "tel:tel:44",
    "c\u0664", "44,20", "44_20",
]  # fmt: skip


def code(digits: str) -> int:
    return sum((int(digit) + 1) * 11 ** (17 - place) for place, digit in enumerate(digits[:MAX_PREFIX_DIGITS]))


def read(destinations: Iterable[str | None]) -> list[tuple[int, bool]]:
    codes, is_no_number = number_codes(pl.Series(list(destinations), dtype=pl.String))
    return list(zip(codes.tolist(), is_no_number.tolist(), strict=True))


@pytest.mark.parametrize(("destination", "digits"), NUMBERS)
def test_a_number_is_read_however_it_was_sent(destination: str, digits: str) -> None:
    assert read([destination]) == [(code(digits), False)]


@pytest.mark.parametrize("destination", WITHOUT_DIGITS)
def test_what_has_no_digits_is_no_number_and_no_mistake(destination: str | None) -> None:
    assert read([destination]) == [(0, False)]


@pytest.mark.parametrize("destination", NOT_NUMBERS)
def test_what_has_digits_and_is_no_number_is_told(destination: str) -> None:
    assert read([destination]) == [(0, True)]


def test_a_whole_batch_is_read_in_its_order() -> None:
    mixed = [*[destination for destination, _ in NUMBERS], *WITHOUT_DIGITS, *NOT_NUMBERS]
    assert read(mixed) == [each for destination in mixed for each in read([destination])]
    assert read([]) == []


@pytest.mark.parametrize("destination", [*[each for each, _ in NUMBERS], *WITHOUT_DIGITS, *NOT_NUMBERS])
def test_the_oracle_reads_the_same(destination: str | None) -> None:
    digits, is_no_number = read_number(destination)
    assert read([destination]) == [(code(digits), is_no_number)]


@given(st.text("0123456789", min_size=1, max_size=25))
def test_a_plain_number_and_one_that_takes_the_long_way_are_the_same(digits: str) -> None:
    plain, long_way = read([f"+{digits}", f"+{digits[0]} {digits[1:]}"])
    assert plain == long_way == (code(digits), False)


def test_the_digits_of_all_scripts_are_those_of_unicode() -> None:
    digits = [chr(point) for point in range(0x80, 0x110000) if unicodedata.category(chr(point)) == "Nd"]
    assert {each: DIGITS_OF_ALL_SCRIPTS[each] for each in digits} == {each: str(int(each)) for each in digits}


# What numbers are made of, odd and even, and anything else that is assigned in every version of Unicode that we meet.
_PIECES = st.sampled_from(
    [*"0123456789", *"0123456789", "00", "+", "+44", "44", "(0)", "(", ")", "[0]", "+44(0)", "tel:", "sip:", "SIPS:", "<", ">",
     "@", ":", ";", "?", ";ext=1", "@example.com", "%2B", "%20", "%", "%E2%80%8E", " ", "-", ".", "/", "x", "\u00a0", "\u200e",
     "\u2011", "\u2212", "\uff0b", "\uff10", "\uff14", "\uff08\uff10\uff09", "\u0664", "\u0660", "\u30fc", "\ufe0f", "\n"]
)  # fmt: skip
_CHARACTERS = st.characters(
    categories=["Nd", "Zs", "Zl", "Zp", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Cf", "Cc", "L", "Mn", "No"]
)
DESTINATIONS = st.none() | st.lists(_PIECES | _CHARACTERS, max_size=14).map("".join)


@settings(max_examples=500, deadline=None)
@given(st.lists(DESTINATIONS, max_size=8))
@example(["+44((0)20", "tel:+44;((0)20"])
@example(["0[0]1[0]"])
def test_numbers_are_read_as_the_oracle_reads_them(destinations: list[str | None]) -> None:
    expected = [read_number(destination) for destination in destinations]
    assert read(destinations) == [(code(digits), is_no_number) for digits, is_no_number in expected]
