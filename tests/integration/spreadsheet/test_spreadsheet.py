"""What a person sees who opens an exported file in a spreadsheet program: LibreOffice Calc itself, not a guess at it."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.request.csv_options import CsvOptions
from exporter.request.file_options import AskedFile
from tests.integration.spreadsheet import libreoffice
from tests.integration.spreadsheet.libreoffice import ENGLISH, GERMAN, Cell, opened, opened_sheet
from tests.unit.credit_movements.verify.exported import detailed, of_rows, period_of, top_up, usage, written

HEADER = ["Date & Time", "Interaction ID", "Description", "Units", "Units charged", "Value per unit", "Credit movement"]
BEGIN = period_of().from_micros
# As they stand in the record → as the program keeps them.
TEXTS = {
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "=1+1": "'=1+1",
    '=HYPERLINK("http://example.com","x")': '\'=HYPERLINK("http://example.com","x")',
    "+44 20 7946 0000": "'+44 20 7946 0000",
    "-1+2": "'-1+2",
    "@SUM(A1:A9)": "'@SUM(A1:A9)",
    "\t=1+1": "'\t=1+1",
    "\r=1+1": "'\n=1+1",
    "\n=1+1": "'\n=1+1",
    "\0=1+1": "'=1+1",
    "\0\0\0=1+1": "'=1+1",
    "\uff1d1+1": "'\uff1d1+1",
    "\uff0b1+1": "'\uff0b1+1",
    "\uff0d1+1": "'\uff0d1+1",
    "\uff20SUM(A1:A9)": "'\uff20SUM(A1:A9)",
    "\ufeff=1+1": "\ufeff=1+1",
    "\u200b=1+1": "\u200b=1+1",
    "\u00a0=1+1": "\u00a0=1+1",
    " =1+1": " =1+1",
    'she said "no", twice': 'she said "no", twice',
    "a,b;c": "a,b;c",
    "first line\nsecond line\r\nthird line": "first line\nsecond line\nthird line",
    "Звонок в Москву": "Звонок в Москву",
    "مكالمة إلى القاهرة": "مكالمة إلى القاهرة",
    "👩‍👩‍👧 😀 ü 猫": "👩‍👩‍👧 😀 ü 猫",
    "'quoted'": "'quoted'",
}
AMOUNTS = [-30_000_000, -1, -1_234_500_000_000, -999_999_999_000, -13_616_964, 50_000_000_000, 1_000_000_000_000]
VARIANTS = [
    (CsvOptions(), ENGLISH),
    (CsvOptions(True, ";"), GERMAN),
    (CsvOptions(True), ENGLISH),
    (CsvOptions(separator=";"), GERMAN),
]


@pytest.fixture(autouse=True)
def spreadsheet() -> None:
    if not libreoffice.is_there():
        libreoffice.without_libreoffice()


@pytest.fixture(params=VARIANTS, ids=["comma", "european excel", "byte-order mark", "semicolon"])
def variant(request: pytest.FixtureRequest) -> tuple[CsvOptions, int]:
    found: tuple[CsvOptions, int] = request.param
    return found


def test_texts_are_texts_and_nothing_runs(tmp_path: Path, variant: tuple[CsvOptions, int]) -> None:
    options, locale = variant
    rows = [usage(BEGIN + number, interaction_id=text, description=text) for number, text in enumerate(TEXTS)]
    header, *lines = opened(of_rows(tmp_path, rows, options=options), options.separator, locale, tmp_path)
    assert [cell.value for cell in header[:7]] == HEADER
    expected = [Cell("string", text) for text in TEXTS.values()]
    assert [line[1] for line in lines] == expected
    assert [line[2] for line in lines] == expected


def test_dates_are_dates_and_numbers_are_numbers_that_sum_up(tmp_path: Path, variant: tuple[CsvOptions, int]) -> None:
    options, locale = variant
    moments = [BEGIN + number * 86_399_000_000 for number in range(len(AMOUNTS))]
    rows = [
        usage(at, 1, -nanos) if nanos < 0 else top_up(at, nanos) for at, nanos in zip(moments, AMOUNTS, strict=True)
    ]
    file = of_rows(tmp_path, rows, options=options)
    # The sum is the program's own.
    file.write_bytes(file.read_bytes() + options.separator.join([""] * 6 + [f"=SUM(G2:G{len(rows) + 1})"]).encode())
    _, *lines, last = opened(file, options.separator, locale, tmp_path)
    zone = ZoneInfo("Europe/Berlin")
    shown = [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(zone) for at in moments]
    assert {line[0].kind for line in lines} == {"date"}
    kept = [datetime.fromisoformat(line[0].value) for line in lines]
    assert kept == [at.replace(tzinfo=None, microsecond=0) for at in shown]
    assert {line[6].kind for line in lines} == {"float"}
    assert [Decimal(line[6].value).scaleb(9) for line in lines] == AMOUNTS
    prices = [Decimal(line[5].value).scaleb(9) if line[5].kind == "float" else None for line in lines]
    assert prices == [-nanos if nanos < 0 else None for nanos in AMOUNTS]
    assert [line[4].kind for line in lines] == ["float" if nanos < 0 else "" for nanos in AMOUNTS]
    assert (last[6].kind, Decimal(last[6].value).scaleb(9)) == ("float", sum(AMOUNTS))


def test_without_the_guard_it_would_run(tmp_path: Path) -> None:
    """The program does run formulas as it is asked to here: the tests above would notice."""
    file = of_rows(tmp_path, [usage(BEGIN, interaction_id="=1+1")])
    file.write_bytes(file.read_bytes().replace(b"'=1+1", b"=1+1"))
    _, line = opened(file, ",", ENGLISH, tmp_path)
    assert line[1] == Cell("float", "2", "of:=1+1")


def test_european_spreadsheets_need_the_decimal_comma(tmp_path: Path) -> None:
    """Why the option is there: a decimal point is a text to them, or a date."""
    _, line = opened(of_rows(tmp_path, [usage(BEGIN)]), ",", GERMAN, tmp_path)
    assert line[6].kind != "float"


def test_a_sheet_has_texts_dates_and_numbers_as_they_are(tmp_path: Path) -> None:
    rows = [usage(BEGIN + number * 10**6, interaction_id=text) for number, text in enumerate(TEXTS)]
    rows += [usage(BEGIN + 10**9, 1, -nanos) if nanos < 0 else top_up(BEGIN + 10**9, nanos) for nanos in AMOUNTS]
    file = written(tmp_path, [detailed(rows)], asked=AskedFile(format="xlsx", columns="detailed"))
    header, *lines = opened_sheet(file, tmp_path)
    assert [cell.value for cell in header[:7]] == HEADER
    assert header[16].value == "Balance after"
    # Nothing is put before a text, and nothing runs. A sheet holds no NULs; a CR may be a new line there.
    shown = [line[1] for line in lines[: len(TEXTS)]]
    assert {(cell.kind, cell.formula) for cell in shown} == {("string", None)}
    for cell, text in zip(shown, TEXTS, strict=True):
        assert "\0" in text or re.sub(r"[\r\n]", "", cell.value) == re.sub(r"[\r\n]", "", text)
    zone = ZoneInfo("Europe/Berlin")
    for number, line in enumerate(lines[: len(TEXTS)]):
        at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BEGIN + number * 10**6)).astimezone(zone)
        assert line[0].kind == "date"
        assert abs(datetime.fromisoformat(line[0].value) - at.replace(tzinfo=None)) < timedelta(milliseconds=500)
    amounts = [line[6] for line in lines[len(TEXTS) :]]
    assert {cell.kind for cell in amounts} == {"float"}
    assert [round(Decimal(cell.value).scaleb(9)) for cell in amounts] == AMOUNTS
