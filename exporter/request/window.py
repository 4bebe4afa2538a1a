"""The export window: which instants an export covers, by the request's time and zone; and the file's name. Pure.

Times are integer microseconds since the epoch, UTC.
"""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

PERIOD_DAYS = 30
MOST_MONTHS = 13
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# ClickHouse's DateTime64(6) can hold these instants, and those of the days that an export counts back.
EARLIEST_MICROS = (datetime(1900, 3, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
LATEST_MICROS = (datetime(2299, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_SECOND_MICROS = 1_000_000
_HOUR_MICROS = 3600 * _SECOND_MICROS


@dataclass(frozen=True)
class Period:
    """The instants `from_micros <= t < to_micros`, whose local times are those of the IANA zone `time_zone`."""

    from_micros: int
    to_micros: int
    time_zone: str

    @property
    def file_stem(self) -> str:
        """The file's name, but for what tells its format."""
        zone = ZoneInfo(self.time_zone)
        first, last = (_local(micros, zone).date() for micros in (self.from_micros, self.to_micros))
        return f"credit-movements_{first}_{last}"


@dataclass(frozen=True)
class UnknownTimeZone:
    """There is no period, because nobody knows this zone."""

    name: str


@dataclass(frozen=True)
class BadPeriod:
    """There is no period, because it would not begin before it ends, or be longer than 13 months."""


def asked_period(
    requested_at_micros: int, time_zone: str | None, from_micros: int | None, to_micros: int | None
) -> Period | UnknownTimeZone | BadPeriod:
    """From `from_micros` to `to_micros`, but no later than the request; half-open. None: as `export_period` has them."""
    end = requested_at_micros if to_micros is None else min(to_micros, requested_at_micros)
    # Nothing is stored of times before; they may also be too far off for a calendar.
    if end < EARLIEST_MICROS or (from_micros is not None and not EARLIEST_MICROS <= from_micros < end):
        return BadPeriod()
    period = export_period(end, time_zone)
    if isinstance(period, UnknownTimeZone) or from_micros is None:
        return period
    zone = ZoneInfo(period.time_zone)
    begin, last = (_local(micros, zone).replace(tzinfo=None) for micros in (from_micros, end))
    return replace(period, from_micros=from_micros) if last <= _months_later(begin, MOST_MONTHS) else BadPeriod()


def export_period(requested_at_micros: int, time_zone: str | None) -> Period | UnknownTimeZone:
    """From the first instant of the local date 30 days before the request's local date, up to the request; half-open.

    `time_zone` of None is UTC. `requested_at_micros` must lie where dates can be counted back (the years 1900 to 2299).
    """
    name = "UTC" if time_zone is None else time_zone
    if name not in known_time_zones():
        return UnknownTimeZone(name)
    zone = ZoneInfo(name)
    first_day = _local(requested_at_micros, zone).date() - timedelta(days=PERIOD_DAYS)
    return Period(first_instant(first_day, zone), requested_at_micros, name)


def _months_later(at: datetime, months: int) -> datetime:
    """The same day and time so many months on, or the last day of that month."""
    years, month = divmod(at.month - 1 + months, 12)
    first = at.replace(year=at.year + years, month=month + 1, day=1)
    return first.replace(day=min(at.day, monthrange(first.year, first.month)[1]))


@cache
def known_time_zones() -> frozenset[str]:
    """The IANA names, exactly as written there. `localtime` is not one: it is the zone that the machine's owner chose. Nor is
    `Factory` a place's, the zone of a machine for which nobody has chosen one yet, and Polars does not know it."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def utc_offsets(period: Period) -> list[tuple[int, int]]:
    """(instant, how far the local clock is ahead of UTC from then on), both in microseconds. Ascending; the first is the start.

    The zone is sampled by the hour: none has ever changed its clock twice within an hour.
    """
    zone = ZoneInfo(period.time_zone)
    offsets = [(period.from_micros, _offset_micros(period.from_micros, zone))]
    for before in range(period.from_micros, period.to_micros, _HOUR_MICROS):
        after = min(before + _HOUR_MICROS, period.to_micros)
        offset = _offset_micros(after, zone)
        if offset != offsets[-1][1]:
            offsets.append((_change(before, after, zone), offset))
    return offsets


def first_instant(day: date, zone: ZoneInfo) -> int:
    """The first instant of a day. If its midnight comes twice, the first one; if it is skipped, the moment the clock jumps."""
    midnight = datetime.combine(day, time.min, tzinfo=zone)
    instant = _micros(midnight)
    if _local(instant, zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # In a gap `fold` chooses the offset before or after it. The jump lies between the two readings of this midnight.
    return _change(_micros(midnight.replace(fold=1)), instant, zone)


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """The instant in (before, after] from which the offset of `after` holds, whole seconds from `before`."""
    offset = _offset_micros(after, zone)
    low, high = 0, -(-(after - before) // _SECOND_MICROS)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_micros(before + middle * _SECOND_MICROS, zone) == offset:
            high = middle
        else:
            low = middle
    # Clocks change at whole seconds; `before` need not be one.
    return (before + high * _SECOND_MICROS) // _SECOND_MICROS * _SECOND_MICROS


# Exports of the same days ask for the same hours.
@lru_cache(maxsize=20_000)
def _offset_micros(micros: int, zone: ZoneInfo) -> int:
    offset = _local(micros, zone).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1)


def _local(micros: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
