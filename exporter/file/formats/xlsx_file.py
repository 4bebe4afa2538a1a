"""The XLSX of an export: one sheet, written as a stream, so that it may have as many rows as a sheet can. Pure.

It is SpreadsheetML of ECMA-376. A text is a cell of type `inlineStr`, which no program runs as a formula, so nothing is put
before it. Numbers have all their digits in the file; spreadsheets compute with 15 of them.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from functools import cache
from typing import Final
from xml.sax.saxutils import escape

import polars as pl

from exporter.file.formats.columns import Column, Kind, cells, columns_of
from exporter.file.formats.limits import check_sheet_rows
from exporter.file.formats.local_times import DAY_SECONDS, Offsets
from exporter.file.formats.zip_file import zipped
from exporter.request.window import Period, utc_offsets

SHEET: Final = "Credit movements"
SHEET_PART: Final = "xl/worksheets/sheet1.xml"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# A row is written as a kilobyte of XML, and held in several pieces meanwhile.
_ROWS_AT_ONCE: Final = 8_192
_BOLD, _TIME, _NUMBER, _BOLD_RIGHT = 1, 2, 3, 4
# A sheet counts days from 1899-12-30 on, so that its 1900-03-01 is the right one.
_DAYS_BEFORE_1970: Final = 25_569
_DAY_DIGITS: Final = 10
# What XML cannot hold or would change, and what looks like our own way to write it (ECMA-376 part 1, ST_Xstring).
_SPECIAL: Final = r"[&<>\x00-\x08\x0b-\x1f\x{FFFE}\x{FFFF}]|_x[0-9A-Fa-f]{4}_"
_CODED: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

_PARTS: Final = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/{SHEET_PART}" ContentType="{_TYPE}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    f'<sheets><sheet name="{SHEET}" sheetId="1" r:id="rId1"/></sheets>'
    # The header is printed on each page.
    f'<definedNames><definedName name="_xlnm.Print_Titles" localSheetId="0">\'{SHEET}\'!$1:$1</definedName></definedNames>'
    "</workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1">'
    '<alignment horizontal="left"/></xf>'
    # So that a number does not touch the text behind it.
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" applyAlignment="1">'
    '<alignment horizontal="right" indent="1"/></xf>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1" applyAlignment="1">'
    '<alignment horizontal="right" indent="1"/></xf></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}


def xlsx_chunks(
    blocks: Iterable[pl.DataFrame], period: Period, is_detailed: bool = False
) -> Generator[bytes, None, None]:
    """The file of these blocks (see `csv_chunks`). Raises TooLargeForFormatError."""
    parts: list[tuple[str, Iterable[bytes]]] = [(name, [(_HEAD + text).encode()]) for name, text in _PARTS.items()]
    yield from zipped([*parts, (SHEET_PART, _sheet(blocks, utc_offsets(period), is_detailed))])


def _sheet(blocks: Iterable[pl.DataFrame], offsets: Offsets, is_detailed: bool) -> Iterator[bytes]:
    columns = columns_of(is_detailed)
    yield _beginning(columns).encode()
    row_count = 0
    for block in blocks:
        for part in block.iter_slices(_ROWS_AT_ONCE):
            # The header is row 1.
            yield _rows(cells(part, offsets, is_detailed), columns, row_count + 2)
            row_count += len(part)
            check_sheet_rows(row_count)
    last = f"A1:{_letters(len(columns) - 1)}{row_count + 1}"
    # A page has all columns beside one another.
    page = '<pageMargins left="0.4" right="0.4" top="0.5" bottom="0.5" header="0.3" footer="0.3"/>'
    page += '<pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/>'
    yield f'</sheetData><autoFilter ref="{last}"/>{page}</worksheet>'.encode()


def _beginning(columns: tuple[Column, ...]) -> str:
    widths = "".join(
        f'<col min="{at}" max="{at}" width="{column.width}" customWidth="1"/>' for at, column in enumerate(columns, 1)
    )
    header = "".join(
        f'<c r="{_letters(at)}1" s="{_BOLD_RIGHT if column.kind == Kind.NUMBER else _BOLD}" t="inlineStr">'
        f"<is><t>{escape(column.header)}</t></is></c>"
        for at, column in enumerate(columns)
    )
    return (
        f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
        '<sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f'<cols>{widths}</cols><sheetData><row r="1">{header}</row>'
    )


def _rows(table: pl.DataFrame, columns: tuple[Column, ...], first: int) -> bytes:
    numbers = pl.int_range(first, first + len(table), eager=True).cast(pl.String)
    written = [_cells(table[column.header], column.kind, _letters(at), numbers) for at, column in enumerate(columns)]
    rows = pl.select(pl.concat_str(pl.lit('<row r="'), numbers, pl.lit('">'), *written, pl.lit("</row>"))).to_series()
    return str(rows.str.join("").item()).encode()


def _cells(values: pl.Series, kind: Kind, letters: str, numbers: pl.Series) -> pl.Series:
    """The XML of each cell; none where it is empty."""
    begin = f'<c r="{letters}'
    if kind == Kind.TEXT:
        around = (begin, '" t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>")
        texts = _safe(values)
    elif kind == Kind.TIME:
        around = (begin, f'" s="{_TIME}"><v>', "</v></c>")
        texts = _serials(values)
    else:
        around = (begin, f'" s="{_NUMBER}"><v>', "</v></c>")
        texts = values
    before, between, after = map(pl.lit, around)
    return pl.select(pl.concat_str(before, numbers, between, texts, after)).to_series().fill_null("")


def _safe(texts: pl.Series) -> pl.Series:
    special = texts.filter(texts.str.contains(_SPECIAL)).unique()
    return texts if special.is_empty() else texts.replace(special, pl.Series(map(_xml, special), dtype=pl.String))


def _xml(text: str) -> str:
    return escape(_CODED.sub(lambda found: f"_x{ord(found[0]):04X}_", text))


def _serials(seconds: pl.Series) -> pl.Series:
    """A local time as a sheet has it: days, and the time as a part of one."""
    days = (seconds // DAY_SECONDS + _DAYS_BEFORE_1970).cast(pl.String)
    return days + _parts_of_a_day().gather(seconds % DAY_SECONDS)


@cache
def _parts_of_a_day() -> pl.Series:
    scale = 10**_DAY_DIGITS
    parts = ((second * scale + DAY_SECONDS // 2) // DAY_SECONDS for second in range(DAY_SECONDS))
    return pl.Series([f".{part:0{_DAY_DIGITS}}".rstrip("0").rstrip(".") for part in parts], dtype=pl.String)


def _letters(column: int) -> str:
    """The name of a column below 26."""
    return chr(ord("A") + column)
