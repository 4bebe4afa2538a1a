"""Balances beside the movements, exact whatever their size, and what is left out of a file."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.file.formats.columns import cells
from exporter.file.formats.limits import MOST_SHEET_ROWS, TooLargeForFormatError, check_sheet_rows
from exporter.file.formats.local_times import offset_texts
from exporter.file.shown import Shown
from exporter.request.file_options import FileOptions, Format
from exporter.request.window import utc_offsets
from tests.unit.credit_movements.verify.exported import detailed, month, period_of, top_up, usage

DETAILED = FileOptions(is_detailed=True)
LARGEST = 10**18 - 1
nanos = st.integers(-LARGEST, LARGEST)


def moved(*amounts: int) -> pl.DataFrame:
    return detailed([top_up(period_of().from_micros, amount) for amount in amounts])


def exactly(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole.lstrip("-") + rest.ljust(9, "0")) * (-1 if text.startswith("-") else 1)


@given(st.integers(-(10**24), 10**24), st.lists(st.lists(nanos, max_size=12), max_size=5))
def test_each_balance_is_the_one_before_and_the_movement(opening: int, blocks: list[list[int]]) -> None:
    shown = Shown(DETAILED, opening)
    offsets = utc_offsets(period_of())
    found = [
        text
        for block in shown.blocks([moved(*amounts) for amounts in blocks])
        for text in (cells(block, offsets, True)["Balance after"] if len(block) else [])
    ]
    balance, expected = opening, []
    for amount in (each for block in blocks for each in block):
        balance += amount
        expected.append(balance)
    assert [exactly(text) for text in found] == expected
    assert all(text not in ("-0", "") and not text.endswith(".") for text in found)


@pytest.mark.parametrize("options", [FileOptions(descriptions=("sms", "refund")), FileOptions(format=Format.FOCUS)])
def test_all_is_read_and_only_what_is_asked_for_is_shown(options: FileOptions) -> None:
    block = detailed(month())
    shown = Shown(options, 0)
    rows = pl.concat(shown.blocks([block.head(4), block.slice(4)]))
    expected = [options.shows(each["description"], each["unit"]) for each in month()]
    assert rows["movement_text"].to_list() == block.filter(pl.Series(expected))["movement_text"].to_list()
    assert (shown.read.row_count, shown.totals.row_count) == (len(block), sum(expected))
    assert shown.read.nanos == block["credit_movement_nanos"].sum()
    assert sum(card.nanos for card in shown.totals.by_card) == shown.totals.nanos
    assert {card.rate_card_id for card in shown.totals.by_card} == {"default"}


@pytest.mark.parametrize(
    ("zone", "said"),
    [("Europe/Berlin", {"UTC+02:00", "UTC+01:00"}), ("Asia/Kathmandu", {"UTC+05:45"}), ("UTC", {"UTC+00:00"})],
)
def test_an_offset_is_that_of_its_time(zone: str, said: set[str]) -> None:
    instants = pl.Series([each["occurred_at_micros"] for each in month()])
    assert set(offset_texts(instants, utc_offsets(period_of(zone)))) == said
    assert set(offset_texts(instants, [(0, -5_400_000_000), (1, 3_215_000_000)])) == {"UTC+00:53:35"}
    assert set(offset_texts(instants, [(0, -5_400_000_000)])) == {"UTC-01:30"}


def test_a_sheet_has_a_row_for_the_header_and_the_rest_for_movements() -> None:
    check_sheet_rows(MOST_SHEET_ROWS - 1)
    with pytest.raises(TooLargeForFormatError, match="1,048,576"):
        check_sheet_rows(MOST_SHEET_ROWS)


def test_details_of_usage_alone_are_empty_elsewhere() -> None:
    rows: list[dict[str, Any]] = [top_up(period_of().from_micros), usage(period_of().from_micros, unit="fragments")]
    (block,) = Shown(DETAILED, 0).blocks([detailed(rows)])
    table = cells(block, utc_offsets(period_of()), True)
    assert table["Duration (seconds)"].to_list() == [None, None]
    assert table["Units"].to_list() == [None, "fragments"]
    assert table["Direction"].to_list() == [None, "outbound"]
