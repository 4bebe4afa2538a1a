"""From the bytes of a deck to a table of its cells, with the lines that are no lines of a deck."""

import codecs
import csv
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

from streams.pricing.deck.fault import LINE, Fault

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
PRICE_UNITS = "price_units"
_WITHOUT_PRICE_UNITS = tuple(column for column in COLUMNS if column != PRICE_UNITS)
HEADER_LINE = 1


class Sheet(NamedTuple):
    """`cells`: a column of texts for each column of the deck, and `line`, rising. `faults`: of the file, and of lines that have
    no cells here; lines that are empty have none either."""

    cells: pl.DataFrame
    faults: list[Fault]


def read_sheet(file: bytes) -> Sheet:
    """The cells of a CSV file. Raises UnicodeDecodeError."""
    plain = _plain_sheet(file)
    if plain is not None:
        return plain
    with io.TextIOWrapper(io.BytesIO(file), encoding="utf-8-sig", newline="") as text:
        return sheet_of(csv.reader(text, strict=True))


def sheet_of(rows: Iterable[list[str]]) -> Sheet:
    """The cells of rows. `rows` may be a csv.reader: its line numbers are then the file's."""
    lines: list[list[str]] = []
    numbers: list[int] = []
    faults: list[Fault] = []
    columns: tuple[str, ...] = COLUMNS
    number = 0
    try:
        for row in rows:
            number = getattr(rows, "line_num", number + 1)
            if number == HEADER_LINE:
                columns = tuple(row)
                if columns not in (COLUMNS, _WITHOUT_PRICE_UNITS):
                    return Sheet(
                        _cells([], [], COLUMNS),
                        [Fault(number, "", f"the columns must be {','.join(COLUMNS)}{_other_separator(row)}")],
                    )
            elif len(row) == len(columns):
                if any(row):
                    lines.append(row)
                    numbers.append(number)
            elif any(row):
                faults.append(Fault(number, "", f"{len(row)} columns, expected {len(columns)}"))
    except csv.Error as error:
        faults.append(Fault(number + 1, "", f"no CSV: {error}"))
    if number == 0:
        faults.append(Fault(HEADER_LINE, "", "the file is empty"))
    return Sheet(_cells(lines, numbers, columns), faults)


def _cells(lines: list[list[str]], numbers: list[int], columns: tuple[str, ...]) -> pl.DataFrame:
    texts = zip(*lines, strict=True) if lines else [()] * len(columns)
    cells = [pl.Series(column, list(text), dtype=pl.String) for column, text in zip(columns, texts, strict=True)]
    return pl.DataFrame([*cells, pl.Series(LINE, numbers, dtype=pl.Int64)])


def _plain_sheet(file: bytes) -> Sheet | None:
    """The cells of a file whose every comma parts two cells, and whose every line is a line of the deck; None for any other
    file, which the csv module reads."""
    text = file.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")
    header, _, body = text.partition(b"\n")
    columns = next((each for each in (COLUMNS, _WITHOUT_PRICE_UNITS) if ",".join(each).encode() == header), None)
    if columns is None or any(each in text for each in (b'"', b"\r", b"\0", b"\n\n")) or not body:
        return None
    line_count = _lines_of(body, len(columns))
    if line_count is None or not _is_utf8(body):
        return None
    cells = pl.read_csv(text, schema=dict.fromkeys(columns, pl.String), quote_char=None, empty_string_is_null=False)
    longest = max(cells.select(pl.all().str.len_bytes().max()).row(0), default=0)
    if len(cells) != line_count or longest > csv.field_size_limit():
        return None
    numbers = pl.int_range(HEADER_LINE + 1, HEADER_LINE + 1 + len(cells), dtype=pl.Int64, eager=True)
    return Sheet(cells.with_columns(numbers.alias(LINE)).filter(pl.any_horizontal(pl.col(columns) != "")), [])


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines_of(body: bytes, columns: int) -> int | None:
    """How many lines there are, if each has so many columns."""
    characters = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    if not body.endswith(b"\n"):
        ends = np.append(ends, len(body))
    commas = np.searchsorted(np.flatnonzero(characters == ord(",")), ends)
    return len(ends) if np.all(np.diff(commas, prepend=0) == columns - 1) else None


def _other_separator(header: list[str]) -> str:
    """A hint for whoever has a deck from a spreadsheet that writes semicolons or tabs."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            return f", separated by commas, not by {name}"
    return ""
