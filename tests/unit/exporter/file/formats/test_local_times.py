"""Date & Time of every zone, row by row against zoneinfo, most of all around the moments when a clock is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credit_movements.verify.local_clock import LocalClock
from exporter.file.formats.csv_file import csv_chunks
from exporter.request.window import Period, export_period, known_time_zones
from tests.unit.credit_movements.verify.exported import COLUMNS, HEADER, usage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
HOUR = 3600 * SECOND


def micros(*moment: int) -> int:
    return (datetime(*moment, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)  # type: ignore[misc, arg-type]


def local(at: int, zone: ZoneInfo) -> datetime:
    return (EPOCH + timedelta(microseconds=at)).astimezone(zone)


def changes(period: Period) -> list[int]:
    """The seconds at which the clock was changed in a period, by looking at it every three hours, then in between."""
    zone = ZoneInfo(period.time_zone)
    found = []
    for begin in range(period.from_micros // SECOND * SECOND, period.to_micros, 3 * HOUR):
        low, high = begin, min(begin + 3 * HOUR, period.to_micros // SECOND * SECOND)
        if high <= low or local(low, zone).utcoffset() == local(high, zone).utcoffset():
            continue
        while high - low > SECOND:
            middle = (low + high) // 2 // SECOND * SECOND
            if local(middle, zone).utcoffset() == local(low, zone).utcoffset():
                low = middle
            else:
                high = middle
        found.append(high)
    return found


def check(period: Period, instants: list[int]) -> None:
    zone, clock = ZoneInfo(period.time_zone), LocalClock(ZoneInfo(period.time_zone))
    rows = [usage(at) for at in sorted(instants) if period.from_micros <= at < period.to_micros]
    file = b"".join(csv_chunks([pl.DataFrame(rows, schema=COLUMNS)], period)).removeprefix(HEADER).decode()
    times = [line.split(",")[0] for line in file.splitlines()]
    assert times == [local(row["occurred_at_micros"], zone).strftime("%Y-%m-%d %H:%M:%S") for row in rows]
    # And `verify` reads each as the instant that it was.
    assert all(row["occurred_at_micros"] // SECOND in clock.instants(at) for at, row in zip(times, rows, strict=True))


@given(
    requested_at=st.integers(micros(1950, 1, 1), micros(2060, 1, 1)),
    zone=st.sampled_from(sorted(known_time_zones())),
    shares=st.lists(st.integers(0, 999_999), max_size=5),
)
@example(micros(2026, 4, 10), "Europe/Berlin", [])
@example(micros(2026, 11, 10), "Europe/Berlin", [])
@example(micros(2026, 3, 25), "America/New_York", [])
@example(micros(2026, 11, 15), "America/St_Johns", [])  # half an hour off, changed at one minute past midnight
@example(micros(2026, 4, 20), "Australia/Lord_Howe", [])  # changed by half an hour
@example(micros(2026, 10, 20), "Pacific/Chatham", [])  # three quarters off, and changed
@example(micros(1985, 12, 20), "Asia/Kathmandu", [])  # from a half to three quarters, once
@example(micros(2026, 3, 25), "Africa/Casablanca", [])  # back and forth within one period: Ramadan
@example(micros(2024, 4, 20), "Africa/Casablanca", [])
@example(micros(2012, 1, 10), "Pacific/Apia", [])  # a day that never was
@example(micros(1993, 9, 1), "Pacific/Kwajalein", [])
@example(micros(1995, 1, 15), "Pacific/Kiritimati", [])
@example(micros(2015, 5, 10), "America/Caracas", [])
@example(micros(2018, 5, 20), "Asia/Pyongyang", [])
@example(micros(2026, 4, 10), "Antarctica/Troll", [])  # by two hours
@example(micros(2026, 4, 10), "Europe/Dublin", [])  # whose winter time is the exception
def test_printed_times_are_those_of_the_local_clock(requested_at: int, zone: str, shares: list[int]) -> None:
    period = export_period(requested_at, zone)
    assert isinstance(period, Period)
    length = period.to_micros - period.from_micros
    around = [at + shift for at in changes(period) for shift in (-HOUR, -SECOND, -1, 0, 1, HOUR // 2, HOUR - 1, HOUR)]
    spread = [period.from_micros + length * share // 1_000_000 for share in shares]
    check(period, [period.from_micros, period.to_micros - 1, *around, *spread])


@pytest.mark.parametrize("month", [1, 4, 7, 11])
def test_every_zone_that_there_is_tells_the_time_of_this_year(month: int) -> None:
    for zone in sorted(known_time_zones()):
        period = export_period(micros(2026, month, 12, 11, 30, 1), zone)
        assert isinstance(period, Period)
        check(
            period,
            [period.from_micros, period.to_micros - 1, *range(period.from_micros, period.to_micros, 40 * HOUR + 61)],
        )


@pytest.mark.parametrize(
    ("zone", "requested_at", "hours"),
    [
        # 31 local days up to noon: one hour less in spring, one more in autumn.
        ("Europe/Berlin", micros(2026, 4, 10, 10), 30 * 24 + 12 - 1),
        ("Europe/Berlin", micros(2026, 11, 10, 11), 30 * 24 + 12 + 1),
        ("Europe/Berlin", micros(2026, 7, 10, 10), 30 * 24 + 12),
        # Half an hour, and the day that Samoa left out.
        ("Australia/Lord_Howe", micros(2026, 4, 20, 1, 30), 30 * 24 + 12 + 0.5),
        ("Pacific/Apia", micros(2012, 1, 9, 22), 30 * 24 + 12 - 24),
    ],
)
def test_a_period_is_as_long_as_its_local_days_were(zone: str, requested_at: int, hours: float) -> None:
    period = export_period(requested_at, zone)
    assert isinstance(period, Period)
    assert local(requested_at, ZoneInfo(zone)).hour == 12
    assert (period.to_micros - period.from_micros) / HOUR == hours
