"""What file a request may ask for, and which period."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.request.csv_options import CsvOptions, UnknownOption
from exporter.request.file_options import AskedFile, FileOptions, Format
from exporter.request.window import BadPeriod, Period, UnknownTimeZone, asked_period, export_period

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME = "credit-movements_2026-10-04_2026-11-03"
NOW = (datetime(2026, 11, 3, 12, 30, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
DAY = 24 * 3_600_000_000


def micros(*moment: int) -> int:
    return (datetime(*moment, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)  # type: ignore[misc, arg-type]


def test_nothing_said_is_the_default_file() -> None:
    assert AskedFile().options() == AskedFile(format="csv").options() == FileOptions()
    assert (FileOptions().reads_details, FileOptions().shows_all) == (False, True)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (AskedFile(), f"{NAME}.csv"),
        (AskedFile(compression="gzip", columns="detailed"), f"{NAME}.csv.gz"),
        (AskedFile(format="xlsx"), f"{NAME}.xlsx"),
        (AskedFile(format="parquet"), f"{NAME}.parquet"),
        (AskedFile(format="focus", compression="gzip"), f"{NAME}.focus.csv.gz"),
    ],
)
def test_a_file_is_called_after_its_format(asked: AskedFile, name: str) -> None:
    options = asked.options()
    assert isinstance(options, FileOptions)
    assert options.file_name(NAME) == name


@pytest.mark.parametrize(
    ("asked", "unknown"),
    [
        ({"format": "XLSX"}, "format"), ({"format": ""}, "format"),
        ({"columns": "all"}, "columns"), ({"columns": ""}, "columns"),
        ({"descriptions": ""}, "descriptions"), ({"descriptions": "call,,sms"}, "descriptions"),
        ({"descriptions": "call,"}, "descriptions"), ({"format": "focus", "columns": "detailed"}, "columns"),
        ({"format": "xlsx", "compression": "gzip"}, "compression"),
        ({"format": "parquet", "csv_separator": ";"}, "csv_separator"),
        ({"format": "focus", "csv_separator": ";"}, "csv_separator"),
        ({"format": "focus", "csv_encoding": "utf-8-sig"}, "csv_encoding"),
        ({"csv_separator": "|", "format": "xlsx"}, "csv_separator"),
    ],
)  # fmt: skip
def test_what_there_is_not_or_does_not_go_together_is_unknown(asked: dict[str, Any], unknown: str) -> None:
    assert AskedFile(**asked).options() == UnknownOption(unknown)


def test_descriptions_are_those_named_and_no_others() -> None:
    options = AskedFile(descriptions="call, sms,top-up,call").options()
    assert options == FileOptions(descriptions=("call", " sms", "top-up"))
    assert isinstance(options, FileOptions)
    shown = [options.shows("call", "minutes"), options.shows("sms", "fragments"), options.shows("top-up", "")]
    assert shown == [True, False, True]
    of_focus = FileOptions(CsvOptions(), Format.FOCUS)
    # A usage type may be called like a top-up: its unit tells.
    shown = [of_focus.shows("top-up", ""), of_focus.shows("top-up", "minutes"), of_focus.shows("refund", "")]
    assert shown == [False, True, True]


@given(st.sampled_from([None, "Europe/Berlin", "Pacific/Apia"]), st.integers(micros(1950, 1, 1), micros(2200, 1, 1)))
def test_no_period_of_its_own_is_the_one_that_always_was(zone: str | None, at: int) -> None:
    assert asked_period(at, zone, None, None) == export_period(at, zone)
    assert asked_period(at, zone, None, at + DAY) == export_period(at, zone)


@pytest.mark.parametrize(
    ("zone", "begin", "end"),
    [
        (None, micros(2025, 10, 3, 12, 30), NOW),
        # 13 months of local time: an hour of summer is not lost.
        ("Europe/Berlin", micros(2025, 10, 3, 11, 30), NOW),
        ("Europe/Berlin", micros(2025, 9, 30, 22), micros(2026, 10, 31, 23)),
        # The 31st has the last day of a shorter month for the same day, and so have the days before it.
        (None, micros(2025, 1, 28), micros(2026, 2, 28)),
        (None, micros(2027, 1, 29), micros(2028, 2, 29)),
        (None, micros(1900, 3, 1), micros(1900, 3, 1) + 1),
    ],
)
def test_thirteen_months_are_the_most(zone: str | None, begin: int, end: int) -> None:
    now = end + DAY
    assert asked_period(now, zone, begin, end) == Period(begin, end, zone or "UTC")
    if begin > micros(1901, 1, 1):
        assert asked_period(now, zone, begin - 1, end) == BadPeriod()


def test_it_ends_now_at_the_latest_and_begins_before_its_end() -> None:
    assert asked_period(NOW, None, NOW - DAY, NOW + DAY) == Period(NOW - DAY, NOW, "UTC")
    assert asked_period(NOW, None, NOW - 1, None) == Period(NOW - 1, NOW, "UTC")
    for begin, end in ((NOW, None), (NOW + DAY, None), (NOW - DAY, NOW - DAY), (NOW - DAY, NOW - 2 * DAY)):
        assert asked_period(NOW, None, begin, end) == BadPeriod()
    assert asked_period(NOW, "Nowhere", NOW - DAY, None) == UnknownTimeZone("Nowhere")


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_whatever_times_come_there_is_an_answer(begin: int, end: int) -> None:
    period = asked_period(NOW, "Europe/Berlin", begin, end)
    assert period == BadPeriod() or (isinstance(period, Period) and period.from_micros < period.to_micros <= NOW)
