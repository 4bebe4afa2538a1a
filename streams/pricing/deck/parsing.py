"""Rate decks: the CSV files that finance people write prices in.

A deck is read as columns. These tell which lines are surely good; only the others are parsed one by one, for the sentences that
say what is wrong with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import and_
from pathlib import Path

import polars as pl

from streams.pricing.deck.between import alike_but_for_case, faults_between, with_ends
from streams.pricing.deck.cells import are_clean, price_nanos, time_micros, values_of, whole_number
from streams.pricing.deck.fault import LINE, Fault
from streams.pricing.deck.line import NAMES, WHOLE_NUMBERS, parsed_line
from streams.pricing.deck.sheet import HEADER_LINE, PRICE_UNITS, Sheet, read_sheet, sheet_of
from streams.pricing.deck.warnings import warnings_of
from streams.pricing.rate_checks import RATE_COLUMNS, are_good_rates
from streams.pricing.rates import Rate


@dataclass(frozen=True, eq=False)
class Deck:
    """The rates of a file, and everything that is wrong with it.

    `table`: the columns of Rate, and `line`, in the order of the file. With any fault, publish nothing. `warnings` are for a
    person to look at. `notes`: ends that were set on the author's behalf.
    """

    table: pl.DataFrame
    faults: list[Fault]
    warnings: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)

    @cached_property
    def rates(self) -> list[Rate]:
        """The same as objects. A large deck has many."""
        return [Rate(*row) for row in self.table.drop(LINE).iter_rows()]

    @property
    def lines(self) -> list[int]:
        """The line of each rate."""
        return self.table[LINE].to_list()


def read_deck(path: Path) -> Deck:
    """Read and lint a deck. Raises OSError where the file cannot be read; every other fault is a value."""
    try:
        return _deck(read_sheet(path.read_bytes()))
    except UnicodeDecodeError as error:
        fault = Fault(HEADER_LINE, "", f"the file is not UTF-8: {error.reason} at byte {error.start}")
        return Deck(_table([]), [fault])


def lint(rows: Iterable[list[str]]) -> Deck:
    """The rates of a deck's rows, and its faults. `rows` may be a csv.reader: its line numbers are then the file's."""
    return _deck(sheet_of(rows))


def _deck(sheet: Sheet) -> Deck:
    rates, faults = _parsed(sheet.cells)
    rates, notes = with_ends(rates)
    faults += faults_between(rates)
    faults += alike_but_for_case(rates, "usage_type", "types are compared exactly, write one of them")
    warnings = warnings_of(rates) + alike_but_for_case(rates, "rate_card_id", "it is another card")
    return Deck(rates, sorted(sheet.faults + faults), sorted(warnings), notes)


def _parsed(cells: pl.DataFrame) -> tuple[pl.DataFrame, list[Fault]]:
    rates, is_good = _surely_good(cells)
    faults: list[Fault] = []
    lines: list[tuple[int, Rate]] = []
    for row in cells.filter(~is_good).iter_rows(named=True):
        line = row.pop(LINE)
        rate, found = parsed_line(line, row)
        faults += found
        if rate is not None:
            lines.append((line, rate))
    return (pl.concat([rates, _table(lines)]).sort(LINE) if lines else rates), faults


def _surely_good(cells: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The rates of those lines that are surely good; and which lines these are."""
    is_good = reduce(and_, (are_clean(cells[column], column in NAMES) for column in cells.columns if column != LINE))
    units = cells[PRICE_UNITS].replace("", "1") if PRICE_UNITS in cells.columns else pl.lit("1").alias(PRICE_UNITS)
    cells = cells.with_columns(units)
    values = [values_of(cells[column], whole_number) for column in WHOLE_NUMBERS]
    values.append(values_of(cells["price"], price_nanos).alias("price_nanos"))
    values += [values_of(cells[column], time_micros) for column in ("effective_from", "effective_to")]
    is_open = cells["effective_to"] == ""
    for each in values:
        is_good &= each.is_not_null() | (is_open if each.name == "effective_to" else False)
    rates = cells.with_columns(values).select(*RATE_COLUMNS, LINE)
    is_good &= pl.Series(are_good_rates(rates), dtype=pl.Boolean)
    return rates.filter(is_good), is_good


def _table(lines: list[tuple[int, Rate]]) -> pl.DataFrame:
    rows = [(*vars(rate).values(), line) for line, rate in lines]
    return pl.DataFrame(rows, schema={**RATE_COLUMNS, LINE: pl.Int64}, orient="row")
