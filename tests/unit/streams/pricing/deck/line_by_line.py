"""Decks linted line by line, an object a line: the judge of the linter, which works on columns.

They share the parsing of one line alone.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from streams.pricing.deck.fault import Fault
from streams.pricing.deck.line import parsed_line
from streams.pricing.deck.sheet import COLUMNS, HEADER_LINE
from streams.pricing.rates import MAX_AMOUNT_NANOS, TIME_UNITS, TOP_UP, Rate, rfc3339

WITHOUT_PRICE_UNITS = tuple(column for column in COLUMNS if column != "price_units")


class Linted(NamedTuple):
    """What a Deck has."""

    rates: list[Rate]
    faults: list[Fault]
    warnings: list[Fault]
    lines: list[int]
    notes: list[Fault]


def linted(rows: Iterable[list[str]]) -> Linted:
    """The rates of a deck's rows, and its faults. `rows` may be a csv.reader: its line numbers are then the file's."""
    lines: list[tuple[int, Rate]] = []
    faults: list[Fault] = []
    columns: tuple[str, ...] = COLUMNS
    number = 0
    try:
        for row in rows:
            number = getattr(rows, "line_num", number + 1)
            if number == HEADER_LINE:
                columns = tuple(row)
                if columns not in (COLUMNS, WITHOUT_PRICE_UNITS):
                    return Linted([], [Fault(number, "", f"the columns must be {','.join(COLUMNS)}")], [], [], [])
                continue
            if not any(row):
                continue
            if len(row) != len(columns):
                faults.append(Fault(number, "", f"{len(row)} columns, expected {len(columns)}"))
                continue
            rate, found = parsed_line(number, dict(zip(columns, row, strict=True)))
            faults += found
            if rate is not None:
                lines.append((number, rate))
    except csv.Error as error:
        faults.append(Fault(number + 1, "", f"no CSV: {error}"))
    if number == 0:
        faults.append(Fault(HEADER_LINE, "", "the file is empty"))
    lines, notes = _with_ends(lines)
    faults += _faults_between(lines) + _alike_but_for_case(
        lines, "usage_type", "types are compared exactly, write one of them"
    )
    warnings = [Fault(line, column, message) for line, rate in lines for column, message in warnings_of(rate)]
    warnings += _alike_but_for_case(lines, "rate_card_id", "it is another card")
    return Linted([rate for _, rate in lines], sorted(faults), sorted(warnings), [line for line, _ in lines], notes)


def _with_ends(lines: list[tuple[int, Rate]]) -> tuple[list[tuple[int, Rate]], list[Fault]]:
    """The lines, each open rate ending where the next open rate of its card, type and prefix begins; and a note for each end
    set.

    By rule 3.1 of the contract the later rate is charged from there on anyway, so the author need not write that end.
    """
    rates = dict(lines)
    notes = []
    for (line, rate), (next_line, following) in _pairs_of_one_price(lines):
        opens = (rate.effective_to, following.effective_to) == (None, None)
        if opens and rate.effective_from < following.effective_from:
            rates[line] = replace(rate, effective_to=following.effective_from)
            end = rfc3339(following.effective_from)
            notes.append(Fault(line, "effective_to", f"set to {end}, where line {next_line} begins"))
    return list(rates.items()), sorted(notes)


def _faults_between(lines: list[tuple[int, Rate]]) -> list[Fault]:
    """Duplicates, overlapping periods, and cards in two currencies: faults of two lines together, each named at the later
    one."""
    faults = []
    first_of_card: dict[str, tuple[int, Rate]] = {}
    for line, rate in lines:
        first_line, first = first_of_card.setdefault(rate.rate_card_id, (line, rate))
        if rate.currency != first.currency:
            faults.append(
                Fault(
                    line,
                    "currency",
                    f"{rate.currency}, but card '{rate.rate_card_id}' is in {first.currency} (line {first_line})",
                )
            )
    for (line, rate), (next_line, following) in _pairs_of_one_price(lines):
        later, earlier = max(line, next_line), min(line, next_line)
        if rate.effective_from == following.effective_from:
            faults.append(Fault(later, "effective_from", f"the same card, type, prefix and start as line {earlier}"))
        elif rate.effective_to is None or rate.effective_to > following.effective_from:
            overlap = f"its period overlaps with that of line {earlier}"
            end = rfc3339(following.effective_from)
            faults.append(Fault(later, "effective_from", f"{overlap}: write {end} as effective_to of line {line}"))
    return faults


def _alike_but_for_case(lines: list[tuple[int, Rate]], column: str, so: str) -> list[Fault]:
    """Names of `column` that differ only in case from one in an earlier line, once for each."""
    first_of: dict[str, tuple[int, str]] = {}
    found: dict[str, Fault] = {}
    for line, rate in lines:
        name = getattr(rate, column)
        first_line, first = first_of.setdefault(name.casefold(), (line, name))
        if name != first and name not in found:
            found[name] = Fault(
                line, column, f"'{name}' differs from '{first}' (line {first_line}) in case alone: {so}"
            )
    return list(found.values())


def _pairs_of_one_price(lines: list[tuple[int, Rate]]) -> Iterator[tuple[tuple[int, Rate], tuple[int, Rate]]]:
    """Each two lines of one card, type and prefix of which one begins next after the other."""
    by_price = sorted(lines, key=lambda each: (_price(each[1]), each[1].effective_from, each[0]))
    return ((one, other) for one, other in pairwise(by_price) if _price(one[1]) == _price(other[1]))


def _price(rate: Rate) -> tuple[str, str, str]:
    return (rate.rate_card_id, rate.usage_type, rate.destination_prefix)


_AI_TYPES = ("ai-voice-agents", "stt")
# The contract's usage types, and the unit of their events' quantity.
_QUANTITY_UNITS = {
    "call": "seconds", "ai-voice-agents": "seconds", "stt": "seconds", "sms": "fragments", "whatsapp": "messages",
    "mms": "messages",
}  # fmt: skip
_SECONDS = 60
_DECIMAL_PLACES = 9
_TYPED_TO_THE_LIMIT = 8


def warnings_of(rate: Rate) -> Iterator[tuple[str, str]]:
    """(column, sentence) for one good rate."""
    meant = rate.usage_type.lower()
    if meant != rate.usage_type and meant in {*_QUANTITY_UNITS, TOP_UP}:
        yield "usage_type", f"types are compared exactly, and '{rate.usage_type}' is not '{meant}'"
    counted_in = _QUANTITY_UNITS.get(rate.usage_type, rate.unit)
    if (rate.unit in TIME_UNITS) != (counted_in in TIME_UNITS) or (
        rate.unit not in TIME_UNITS and rate.unit != counted_in
    ):
        yield "unit", f"the quantity of '{rate.usage_type}' is in {counted_in}"
    if rate.destination_prefix.startswith("0"):
        yield "destination_prefix", "no country's code begins with 0: write it with the code, as 4989 for 089"
    if rate.usage_type in _AI_TYPES and rate.unit == "seconds":
        yield from _broken_minutes(rate)
    if rate.unit in TIME_UNITS:
        yield from _rounded_price(rate)


def _broken_minutes(rate: Rate) -> Iterator[tuple[str, str]]:
    for column, seconds in (("initial_increment", rate.initial_increment), ("increment", rate.increment)):
        if seconds % _SECONDS:
            whole = seconds + -seconds % _SECONDS
            yield (
                column,
                f"'{rate.usage_type}' is charged by whole minutes as a rule, and {seconds} seconds are none: write {whole}",
            )


def _rounded_price(rate: Rate) -> Iterator[tuple[str, str]]:
    """0.20 a minute, typed as 0.003333333 a second, comes to 0.19999998."""
    units = _SECONDS // rate.unit_size
    if units % rate.price_units:
        return
    minute = rate.price_nanos * units // rate.price_units
    meant = _meant(minute, rate.price_nanos, units // rate.price_units)
    if meant:
        found = f"a minute costs {_plain(minute)}; where a price list says {_plain(meant)}"
        yield "price", f"{found}, write price {_plain(meant)}, price_units {units}"


def _meant(minute_nanos: int, typed_nanos: int, times: int) -> int | None:
    """The price of a minute from which the typed price was probably rounded, or None.

    It is a price with far fewer decimals, so near that rounding the typed price in its last decimal explains the gap. "Far
    fewer" means that a price comes so near by chance only once in a hundred times.
    """
    last_place = 1
    while typed_nanos and typed_nanos % (last_place * 10) == 0:
        last_place *= 10
    typed_places = _DECIMAL_PLACES - len(str(last_place)) + 1
    gap = last_place * times if times > 1 else 0
    if typed_places >= _TYPED_TO_THE_LIMIT:
        # Or the author multiplied a second's price that was rounded in its ninth decimal.
        gap = max(gap, _SECONDS)
    fewer = len(str(2 * gap // last_place)) + (0 if typed_places == _DECIMAL_PLACES else 1)
    for decimals in range(typed_places - fewer + 1):
        step: int = 10 ** (_DECIMAL_PLACES - decimals)
        nearest = (minute_nanos + step // 2) // step * step
        if nearest == minute_nanos:
            return None
        if 0 < nearest <= MAX_AMOUNT_NANOS and abs(nearest - minute_nanos) < gap:
            return nearest
    return None


def _plain(nanos: int) -> str:
    whole, fraction = divmod(nanos, 10**_DECIMAL_PLACES)
    return f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
