"""Rate decks: the CSV files that finance people write prices in."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from streams.rates import BadRateError, Rate, micros_of

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
# May be left out, as a column or in a line: 1.
_PRICE_UNITS = "price_units"
_WITHOUT_PRICE_UNITS = tuple(column for column in COLUMNS if column != _PRICE_UNITS)
_DECIMAL_PLACES = 9
_HEADER_LINE = 1


class Fault(NamedTuple):
    """What is wrong in a deck: the line (the header is line 1), the column ('' for the whole line) and the sentence."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}" + (f", {self.column}" if self.column else "") + f": {self.message}"


@dataclass(frozen=True)
class Deck:
    """The rates of a file, and everything that is wrong with it. With any fault, publish nothing."""

    rates: list[Rate]
    faults: list[Fault]


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
                    return Deck([], [Fault(number, "", f"the columns must be {','.join(COLUMNS)}")])
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
    faults += _faults_between(lines)
    return Deck([rate for _, rate in lines], sorted(faults))


def _parse(line: int, cells: dict[str, str]) -> tuple[Rate | None, list[Fault]]:
    faults: list[Fault] = []
    values: dict[str, str | int | None] = dict(cells)
    for column in ("unit_size", "initial_increment", "increment", _PRICE_UNITS):
        try:
            values[column] = _whole_number(cells.get(column) or "1" if column == _PRICE_UNITS else cells[column])
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    try:
        values["price_nanos"] = price_nanos(cells["price"])
    except ValueError as error:
        faults.append(Fault(line, "price", str(error)))
    for column in ("effective_from", "effective_to"):
        try:
            values[column] = None if (column, cells[column]) == ("effective_to", "") else _time(cells[column])
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    if faults:
        return None, faults
    del values["price"]
    try:
        return Rate.checked(values), []
    except BadRateError as error:
        return None, [Fault(line, field, message) for field, message in error.faults]


def price_nanos(text: str) -> int:
    """Nanos of a decimal price. Raises ValueError."""
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"'{text}' is no decimal number such as 0.035") from None
    if not price.is_finite():
        raise ValueError(f"'{text}' is no decimal number such as 0.035")
    if price.adjusted() >= _DECIMAL_PLACES:
        raise ValueError(f"'{text}' must be below 1,000,000,000")
    places = -int(price.normalize().as_tuple().exponent)
    if places > _DECIMAL_PLACES:
        raise ValueError(f"'{text}' has {places} decimal places, at most {_DECIMAL_PLACES} can be charged exactly")
    return int(price.scaleb(_DECIMAL_PLACES))


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"'{text}' is no whole number")
    return int(text)


def _time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no ISO 8601 time such as 2026-01-31T00:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError(f"'{text}' has no time zone: write 2026-01-31T00:00:00Z")
    return micros_of(at)


def _faults_between(lines: list[tuple[int, Rate]]) -> list[Fault]:
    """Duplicates, overlapping periods, and cards in two currencies: faults of two lines together, told of the later one."""
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
    by_price = sorted(lines, key=lambda each: (_price(each[1]), each[1].effective_from, each[0]))
    for (line, rate), (next_line, following) in pairwise(by_price):
        if _price(rate) != _price(following):
            continue
        later, earlier = max(line, next_line), min(line, next_line)
        if rate.effective_from == following.effective_from:
            faults.append(Fault(later, "effective_from", f"the same card, type, prefix and start as line {earlier}"))
        elif rate.effective_to is None or rate.effective_to > following.effective_from:
            faults.append(Fault(later, "effective_from", f"its period overlaps with that of line {earlier}"))
    return faults


def _price(rate: Rate) -> tuple[str, str, str]:
    return (rate.rate_card_id, rate.usage_type, rate.destination_prefix)
