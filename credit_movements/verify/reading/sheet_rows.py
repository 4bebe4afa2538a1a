"""The rows of an XLSX, read by what ECMA-376 says of it and nothing that wrote it."""

import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from xml.parsers import expat

from credit_movements.verify.findings import Findings
from credit_movements.verify.reading.csv_rows import Row

_SHEET: Final = "xl/worksheets/sheet1.xml"
_READ_BYTES: Final = 256 * 1024
# No cell of ours is so long.
_MOST_CHARACTERS: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"([A-Z])([0-9]{1,7})", re.ASCII)
_CODE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SERIAL: Final = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,12}))?", re.ASCII)
_FIRST_DAY: Final = datetime(1899, 12, 30)  # noqa: DTZ001 — a sheet knows no zone
_DAY_SECONDS: Final = 86_400


class _NoSheetError(Exception):
    """What is read is no sheet of ours: the message says why."""


@dataclass
class _Cell:
    column: int
    is_text: bool
    parts: list[str] = field(default_factory=list)
    length: int = 0


@dataclass
class _Reader:
    """Takes the events of the parser; `rows` are those that are whole. `numbers`: the columns whose cells are numbers, the
    first of them times."""

    numbers: frozenset[int]
    findings: Findings
    rows: deque[Row] = field(default_factory=deque)
    cells: list[str] = field(default_factory=list)
    row: int = 0
    cell: _Cell | None = None
    is_value: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            self.row += 1
            self.cells = []
            if attributes.get("r") != str(self.row):
                raise _NoSheetError(f"row {attributes.get('r')!r} where {self.row} comes next")
        elif name == "c":
            self.cell = self._begun(attributes)
        elif name == "f":
            raise _NoSheetError(f"a formula in row {self.row}")
        self.is_value = name in ("t", "v") and self.cell is not None

    def text(self, text: str) -> None:
        if self.is_value and self.cell is not None:
            self.cell.parts.append(text)
            self.cell.length += len(text)
            if self.cell.length > _MOST_CHARACTERS:
                raise _NoSheetError(f"no cell of ours is as long as one of row {self.row}")

    def end(self, name: str) -> None:
        self.is_value = False
        if name == "c" and self.cell is not None:
            self._take(self.cell)
            self.cell = None
        elif name == "row":
            self.rows.append((self.row, self.cells))

    def _begun(self, attributes: dict[str, str]) -> _Cell:
        place = _REFERENCE.fullmatch(attributes.get("r", ""))
        kind = attributes.get("t", "n")
        if place is None or place[2] != str(self.row) or kind not in ("n", "inlineStr"):
            raise _NoSheetError(f"a cell of row {self.row} that is none of ours: {attributes}")
        column = ord(place[1]) - ord("A")
        if column < len(self.cells):
            raise _NoSheetError(f"cells of row {self.row} are not in order")
        return _Cell(column, kind == "inlineStr")

    def _take(self, cell: _Cell) -> None:
        text = "".join(cell.parts)
        is_number = cell.column in self.numbers and self.row > 1
        if is_number == cell.is_text:
            self.findings.add(f"a {'text' if cell.is_text else 'number'} stands where none belongs", self.row)
        if cell.is_text:
            text = _CODE.sub(lambda found: chr(int(found[1], 16)), text)
        elif cell.column == 0:
            text = _time(text)
        self.cells += [""] * (cell.column - len(self.cells))
        self.cells.append(text)


def sheet_rows(path: Path, column_count: int, numbers: frozenset[int], findings: Findings) -> Iterator[Row]:
    """The header and the rows of the first sheet, each with so many cells, or more where it has them. `numbers`: the columns
    of numbers; the first column's are times, and come as `YYYY-MM-DD HH:MM:SS`. Raises OSError."""
    reader = _Reader(numbers, findings)
    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                raise _NoSheetError(f"{damaged} is damaged")
            with archive.open(_SHEET) as sheet:
                parser = _parser(reader)
                while data := sheet.read(_READ_BYTES):
                    parser.Parse(data)
                    yield from _taken(reader.rows, column_count)
                parser.Parse(b"", True)
        yield from _taken(reader.rows, column_count)
    except (_NoSheetError, expat.ExpatError, zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError) as error:
        findings.add(f"not a sheet of ours: {error}", reader.row or None)


def _parser(reader: _Reader) -> expat.XMLParserType:
    def refuse(*_: object) -> None:
        raise _NoSheetError("it declares a document type")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = refuse
    return parser


def _taken(rows: deque[Row], column_count: int) -> Iterator[Row]:
    while rows:
        number, cells = rows.popleft()
        yield number, cells + [""] * (column_count - len(cells))


def _time(serial: str) -> str:
    """A day and the part of it that has passed; what is no time of ours stays as it is."""
    match = _SERIAL.fullmatch(serial)
    if match is None:
        return serial
    digits = match[2] or "0"
    scale = 10 ** len(digits)
    seconds = (int(digits) * _DAY_SECONDS * 2 + scale) // (2 * scale)
    return (_FIRST_DAY + timedelta(days=int(match[1]), seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
