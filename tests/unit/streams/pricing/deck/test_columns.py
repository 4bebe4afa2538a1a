"""The linter works on columns; it says of every deck what the linter says that takes one line after the other."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.pricing.deck.parsing import lint, read_deck
from streams.pricing.deck.sheet import COLUMNS, read_sheet, sheet_of
from tests.unit.streams.pricing.deck.line_by_line import Linted, linted

HEADER = ",".join(COLUMNS)
GOOD = "default,call,4915,Germany,seconds,1,60,1,0.0015,60,EUR,2026-01-01T00:00:00Z,"
# The cells of each column: good ones, few enough that lines meet, and those in which something may be wrong.
GOOD_CELLS = (
    ("default", "gold"), ("call", "sms", "stt"), ("49", "4915", ""), ("Germany", "", "\u00d6sterreich"), ("seconds",), ("1",),
    ("60", "30"), ("60", "1"), ("0.2", "0.003333333", "0.0167"), ("60", "", "1"), ("EUR",),
    ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00+01:00", "2026-05-01T00:00:00Z"),
    ("", "", "2026-03-01T00:00:00Z", "2026-08-01T00:00:00Z"),
)  # fmt: skip
ODD_CELLS = (
    ("Default", "GOLD", "Z\u00fcrich", "a b", "a|b", "", "x" * 129),
    ("Call", "ai-voice-agents", "top-up", "TOP-UP", "ca\u200bll", "S\u00fcd"),
    ("089", "0049", "49x", "1" * 19, "4\u0661"),
    ("C\u00f4te d'Ivoire ", "\x00", "a\u2028b", "\u200b", "\ue000"),
    ("minutes", "fragments", "messages", "hours"),
    ("60", "0060", "2", "", "1\u0661", "9" * 19),
    ("90", "0", "300001", "x"),
    ("6", "120", "1000000000000001", "-1"),
    ("0.19999998", "0", "999999999.999999999", "1000000000", "-1", "1E2", ".5", "5.", ""),
    ("7", "3600", "1001", "0", "1000000000"),
    ("USD", "euro"),
    ("2026-01-01", "1800-01-01T00:00:00Z", ""),
    ("2025-01-01T00:00:00Z", "2400-01-01T00:00:00Z", "soon"),
)


@st.composite
def cells_of_lines(draw: st.DrawFn) -> list[str]:
    """A good line, or one with an odd cell."""
    cells = [draw(st.sampled_from(good)) for good in GOOD_CELLS]
    odd = draw(st.integers(-2 * len(cells), len(cells) - 1))
    if odd >= 0:
        cells[odd] = draw(st.sampled_from(ODD_CELLS[odd]))
    return cells


LINES = cells_of_lines().map(",".join)
# What is no line of thirteen cells.
ODD_LINES = st.sampled_from(
    ["", "," * 12, "," * 13, "," * 11, GOOD + ",", GOOD[:-1], GOOD.replace("Germany", '"Germany, mobile"'), " "]
) | st.text(st.sampled_from('",\r\n\t a1\u00fc\x85\x00'), max_size=16)
ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r"])
HEADERS = st.sampled_from(
    [HEADER, HEADER, HEADER, HEADER.replace("price_units,", ""), f'"{HEADER[:12]}"{HEADER[12:]}', ""]
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """The bytes of a deck: mostly of plain lines with one kind of end."""
    lines = draw(st.lists(LINES | st.just(GOOD), max_size=12))
    if draw(st.booleans()):
        lines = draw(st.permutations(lines + draw(st.lists(ODD_LINES, max_size=2))))
    header = draw(HEADERS)
    if "price_units" not in header and draw(st.booleans()):
        lines = [",".join([*cells[:9], *cells[10:]]) for cells in (line.split(",") for line in lines)]
    text = draw(ENDS).join([header, *lines]) + draw(st.sampled_from(["", "\n", "\r\n", "\n\n"]))
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig"])))


@given(files())
@example(f"{HEADER}\n{GOOD}\n{GOOD},\n{GOOD[:-1]}".encode())
@example(f"{HEADER}\n{GOOD}\n{',' * 12}\n".encode())
@example(f"{HEADER}\n".encode())
@example(HEADER.encode())
@example(b"")
@example(f"{HEADER}\n{GOOD.replace('Germany', 'G' * (csv.field_size_limit() + 1))}".encode())
def test_a_deck_is_told_the_same_as_line_by_line(tmp_path_factory: pytest.TempPathFactory, file: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "rates.csv"
    path.write_bytes(file)
    with io.TextIOWrapper(io.BytesIO(file), encoding="utf-8-sig", newline="") as text:
        wanted = linted(csv.reader(text, strict=True))
    assert told(path) == wanted


@given(st.lists(cells_of_lines(), max_size=30))
def test_rows_are_told_the_same_as_line_by_line(rows: list[list[str]]) -> None:
    """More lines than a file of the test above has, so more of them that contradict each other."""
    deck = lint([list(COLUMNS), *rows])
    wanted = linted([list(COLUMNS), *rows])
    assert Linted(deck.rates, deck.faults, deck.warnings, deck.lines, deck.notes) == wanted


def told(path: Path) -> Linted:
    deck = read_deck(path)
    return Linted(deck.rates, deck.faults, deck.warnings, deck.lines, deck.notes)


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=3), min_size=13, max_size=13), max_size=4))
def test_a_file_is_cut_into_the_cells_of_the_csv_module(rows: list[list[str]]) -> None:
    file = "\n".join([HEADER, *map(",".join, rows)]).encode()
    with io.TextIOWrapper(io.BytesIO(file), encoding="utf-8-sig", newline="") as text:
        wanted = sheet_of(csv.reader(text, strict=True))
    sheet = read_sheet(file)
    assert (sheet.cells.to_dicts(), sheet.faults) == (wanted.cells.to_dicts(), wanted.faults)
