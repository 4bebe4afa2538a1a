"""The exported period, held against a walk through the local clock minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.request.window import Period, UnknownTimeZone, export_period, known_time_zones, utc_offsets

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = 60_000_000


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def local(instant: int, zone: str) -> datetime:
    return (EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))


REQUEST_TIMES = st.integers(micros(datetime(1950, 1, 1, tzinfo=UTC)), micros(datetime(2060, 1, 1, tzinfo=UTC)))


def period(requested_at: int, zone: str | None) -> Period:
    found = export_period(requested_at, zone)
    assert isinstance(found, Period)
    return found


def first_minute_of(day: date, zone: str) -> int:
    """The first whole minute of UTC whose local date is `day` or, where the zone skipped it, the next."""
    start = micros(datetime(day.year, day.month, day.day, tzinfo=UTC)) - 26 * 60 * MINUTE
    return next(at for at in range(start, start + 80 * 60 * MINUTE, MINUTE) if local(at, zone).date() >= day)


@pytest.mark.parametrize(
    ("zone", "first_day", "first_instant"),
    [
        ("UTC", date(2026, 1, 1), "2026-01-01T00:00:00Z"),
        ("Asia/Kolkata", date(2026, 1, 1), "2025-12-31T18:30:00Z"),
        ("Asia/Kathmandu", date(2026, 1, 1), "2025-12-31T18:15:00Z"),
        ("Pacific/Kiritimati", date(2026, 1, 1), "2025-12-31T10:00:00Z"),
        ("Pacific/Niue", date(2026, 1, 1), "2026-01-01T11:00:00Z"),
        # Midnight does not exist: the day begins at 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00Z"),
        ("Africa/Cairo", date(2024, 4, 26), "2024-04-25T22:00:00Z"),
        ("America/Havana", date(2024, 3, 10), "2024-03-10T05:00:00Z"),
        # Midnight comes twice: the day begins with the first one.
        ("America/Havana", date(2024, 11, 3), "2024-11-03T04:00:00Z"),
        # At one minute past midnight the clock goes back into the day before: the day has begun all the same.
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30:00Z"),
        # One minute past midnight the clock jumps: nothing happens to midnight itself.
        ("America/St_Johns", date(2010, 3, 14), "2010-03-14T03:30:00Z"),
        # The day line was moved across Samoa: this day does not exist, the next begins in its place.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00Z"),
        # ... and one day came twice.
        ("Pacific/Kwajalein", date(1969, 9, 30), "1969-09-29T13:00:00Z"),
    ],
)
def test_the_period_begins_with_the_first_instant_of_the_local_date_30_days_before(
    zone: str, first_day: date, first_instant: str
) -> None:
    noon = datetime(first_day.year, first_day.month, first_day.day, 12, tzinfo=ZoneInfo(zone)) + timedelta(days=30)
    assert period(micros(noon), zone).from_micros == micros(datetime.fromisoformat(first_instant))


@given(
    requested_at=REQUEST_TIMES,
    zone=st.sampled_from(sorted(known_time_zones())),
)
@example(micros(datetime(2019, 12, 4, 12, tzinfo=UTC)), "America/Sao_Paulo")
@example(micros(datetime(1993, 9, 20, 12, tzinfo=UTC)), "Pacific/Kwajalein")
@example(micros(datetime(2024, 4, 30, 12, tzinfo=UTC)), "America/Scoresbysund")
@example(micros(datetime(2005, 11, 5, 3, 59, 59, 999_999, tzinfo=UTC)), "Antarctica/Troll")
def test_the_period_agrees_with_a_walk_through_the_local_clock(requested_at: int, zone: str) -> None:
    found = period(requested_at, zone)
    first_day = local(requested_at, zone).date() - timedelta(days=30)
    # To the minute: some zones were seconds away from whole minutes of UTC until the middle of the century.
    walked = first_minute_of(first_day, zone)
    assert walked - MINUTE < found.from_micros <= walked
    assert local(found.from_micros, zone).date() >= first_day
    assert local(found.from_micros - 1, zone).date() < first_day
    assert found.to_micros == requested_at


@given(
    requested_at=REQUEST_TIMES,
    zone=st.sampled_from(sorted(known_time_zones())),
    shares=st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5),
)
@example(micros(datetime(2024, 4, 20, 12, tzinfo=UTC)), "Australia/Lord_Howe", [0.1, 0.3, 0.5, 0.6, 0.9])
def test_offsets_tell_the_local_clock_of_every_instant_of_the_period(
    requested_at: int, zone: str, shares: list[float]
) -> None:
    found = period(requested_at, zone)
    offsets = utc_offsets(found)
    changes = [at for at, _ in offsets]
    instants = [found.from_micros + int(share * (found.to_micros - found.from_micros)) for share in shares]
    for instant in [*instants, *changes, *(at - 1 for at in changes[1:])]:
        offset = next(offset for at, offset in reversed(offsets) if at <= instant)
        assert local(instant, zone).utcoffset() == timedelta(microseconds=offset)


def test_no_time_zone_is_utc() -> None:
    assert period(0, None) == period(0, "UTC")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " UTC",
        "utc",
        "europe/paris",
        "localtime",
        "posixrules",
        "Mars/Olympus",
        "../etc/passwd",
        "/etc/localtime",
        "Europe/../Europe/Paris",
        "Europe",
        "UTC\x00",
        "\x00",
        "x" * 100_000,
        "é",
    ],
)
def test_only_the_iana_names_are_time_zones(name: str) -> None:
    assert export_period(0, name) == UnknownTimeZone(name)


def test_the_file_is_named_after_the_local_dates() -> None:
    # 2026-03-31 23:30 UTC is the first of April in Berlin.
    at = micros(datetime(2026, 3, 31, 23, 30, tzinfo=UTC))
    assert period(at, "Europe/Berlin").file_stem == "credit-movements_2026-03-02_2026-04-01"
    assert period(at, "UTC").file_stem == "credit-movements_2026-03-01_2026-03-31"
    assert period(at, "Pacific/Apia").file_stem == "credit-movements_2026-03-02_2026-04-01"
