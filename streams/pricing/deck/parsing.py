"""Rate decks: the CSV files that finance people write prices in."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from streams.pricing.deck.cells import check_characters, price_nanos, time_micros, whole_number
from streams.pricing.deck.fault import Fault
from streams.pricing.deck.warnings import warnings_of
from streams.pricing.rates import BadRateError, Rate, rfc3339

COLUMNS = (
    "rate_card_id",
    "usage_type",
    "destination_prefix",
    "destination_name",
    "unit",
    "unit_size",
    "initial_increment",
    "increment",
    "price",
    "price_units",
    "currency",
    "effective_from",
    "effective_to",
)
# The column, or its cell in a line, may be left out: then it is 1.
_PRICE_UNITS = "price_units"
_WITHOUT_PRICE_UNITS = tuple(column for column in COLUMNS if column != _PRICE_UNITS)
# Publishers must write these names exactly the same.
_NAMES = frozenset({"rate_card_id", "usage_type", "destination_prefix"})
_HEADER_LINE = 1


@dataclass(frozen=True)
class Deck:
    """The rates of a file, and everything that is wrong with it.

    With any fault, publish nothing. `warnings` are for a person to look at. `lines`: the line of each rate. `notes`: ends that
    were set on the author's behalf.
    """

    rates: list[Rate]
    faults: list[Fault]
    warnings: list[Fault] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)


def read_deck(path: Path) -> Deck:
    """Read and lint a deck. Raises OSError where the file cannot be read; every other fault is a value."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return lint(csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        return Deck([], [Fault(_HEADER_LINE, "", f"the file is not UTF-8: {error.reason} at byte {error.start}")])


def lint(rows: Iterable[list[str]]) -> Deck:
    """The rates of a deck's rows, and its faults. `rows` may be a csv.reader: its line numbers are then the file's."""
    lines: list[tuple[int, Rate]] = []
    faults: list[Fault] = []
    columns: tuple[str, ...] = COLUMNS
    number = 0
    try:
        for row in rows:
            number = getattr(rows, "line_num", number + 1)
            if number == _HEADER_LINE:
                columns = tuple(row)
                if columns not in (COLUMNS, _WITHOUT_PRICE_UNITS):
                    return Deck(
                        [], [Fault(number, "", f"the columns must be {','.join(COLUMNS)}{_other_separator(row)}")]
                    )
                continue
            if not any(row):
                continue
            if len(row) != len(columns):
                faults.append(Fault(number, "", f"{len(row)} columns, expected {len(columns)}"))
                continue
            rate, found = _parse(number, dict(zip(columns, row, strict=True)))
            faults += found
            if rate is not None:
                lines.append((number, rate))
    except csv.Error as error:
        faults.append(Fault(number + 1, "", f"no CSV: {error}"))
    if number == 0:
        faults.append(Fault(_HEADER_LINE, "", "the file is empty"))
    lines, notes = _with_ends(lines)
    faults += _faults_between(lines) + _alike_but_for_case(
        lines, "usage_type", "types are compared exactly, write one of them"
    )
    warnings = [Fault(line, column, message) for line, rate in lines for column, message in warnings_of(rate)]
    warnings += _alike_but_for_case(lines, "rate_card_id", "it is another card")
    return Deck([rate for _, rate in lines], sorted(faults), sorted(warnings), [line for line, _ in lines], notes)


def _other_separator(header: list[str]) -> str:
    """A hint for whoever has a deck from a spreadsheet that writes semicolons or tabs."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            return f", separated by commas, not by {name}"
    return ""


def _parse(line: int, cells: dict[str, str]) -> tuple[Rate | None, list[Fault]]:
    faults: list[Fault] = []
    values: dict[str, str | int | None] = dict(cells)
    for column, text in cells.items():
        try:
            check_characters(text, column in _NAMES)
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    if faults:
        return None, faults
    for column in ("unit_size", "initial_increment", "increment", _PRICE_UNITS):
        try:
            values[column] = whole_number(cells.get(column) or "1" if column == _PRICE_UNITS else cells[column])
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    try:
        values["price_nanos"] = price_nanos(cells["price"])
    except ValueError as error:
        faults.append(Fault(line, "price", str(error)))
    for column in ("effective_from", "effective_to"):
        try:
            values[column] = None if (column, cells[column]) == ("effective_to", "") else time_micros(cells[column])
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    if faults:
        return None, faults
    del values["price"]
    try:
        return Rate.checked(values), []
    except BadRateError as error:
        return None, [Fault(line, field, message) for field, message in error.faults]


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
