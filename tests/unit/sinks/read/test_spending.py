"""Days and hours of spending: where they begin, and what they are called, by the clocks of each zone."""

from datetime import datetime
from itertools import pairwise

import pytest

from sinks.read.spending import MOST_PERIODS, TooManyPeriodsError, _periods


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**6


@pytest.mark.parametrize(
    ("zone", "begin", "end", "hours"),
    [
        # Set back: an hour comes twice. Set forward: one is missing. Half an hour back. A quarter ahead, begun in the middle.
        ("Europe/Berlin", "2026-10-24T23:00Z", "2026-10-25T02:00Z", ["01:00:00+02:00", "02:00:00+02:00", "02:00:00+01:00"]),
        ("Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:30Z", ["01:00:00+01:00", "03:00:00+02:00"]),
        ("Australia/Lord_Howe", "2026-04-04T14:00Z", "2026-04-04T16:00Z",
         ["01:00:00+11:00", "01:00:00+10:30", "02:00:00+10:30"]),
        ("Asia/Kathmandu", "2026-10-24T22:07Z", "2026-10-24T22:50Z", ["03:00:00+05:45", "04:00:00+05:45"]),
    ],
)  # fmt: skip
def test_hours_are_those_of_the_zone_with_their_offsets(zone: str, begin: str, end: str, hours: list[str]) -> None:
    begins, names, are_whole_hours = _periods(micros(begin), micros(end), zone, "hour")
    assert [names[each].partition("T")[2] for each in begins] == hours
    assert begins == sorted(begins)
    assert are_whole_hours == (zone == "Europe/Berlin")


def test_a_day_has_its_23_or_25_hours() -> None:
    begins, names, are_whole_hours = _periods(
        micros("2026-03-27T23:00Z"), micros("2026-03-30T12:00Z"), "Europe/Berlin", "day"
    )
    assert list(names.values()) == ["2026-03-28", "2026-03-29", "2026-03-30"]
    assert [(after - before) // (3600 * 10**6) for before, after in pairwise(begins)] == [24, 23]
    assert are_whole_hours


def test_more_periods_than_anybody_reads_are_refused_before_they_are_counted() -> None:
    first = micros("1900-01-01T00:00Z")
    with pytest.raises(TooManyPeriodsError, match=f"more than {MOST_PERIODS:,} hours"):
        _periods(first, micros("2298-12-31T00:00Z"), "UTC", "hour")
