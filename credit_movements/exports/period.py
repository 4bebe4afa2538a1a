"""The beginning and the end of an export's own period, as people write them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from exporter.request.window import first_instant, known_time_zones
from kafka_io.errors import UserError
from streams.pricing.rates import micros_of


class BadPeriodError(UserError):
    """An option has no time that can be meant."""


def micros_of_option(option: str, text: str | None, time_zone: str | None) -> int | None:
    """Microseconds since the epoch, UTC; None of None. A date is its first instant in the zone. Raises BadPeriodError."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _of_time(option, text)
    zone = time_zone or "UTC"
    if zone not in known_time_zones():
        raise BadPeriodError(f"--time-zone {zone}: no IANA time zone, as Europe/Berlin; {option} {text} is a day of it")
    return first_instant(day, ZoneInfo(zone))


def _of_time(option: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadPeriodError(f"{option} {text}: no date, as 2026-01-31, and no time, as 2026-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise BadPeriodError(f"{option} {text}: has no time zone: write 2026-01-31T12:00:00Z, say")
    return micros_of(at)
