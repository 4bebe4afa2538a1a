"""The times and durations of `rates diff`, as people write them."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError

from credit_movements.setting_types import Duration
from kafka_io.errors import UserError
from streams.pricing.rates import micros_of

_MICROSECOND: Final = timedelta(microseconds=1)


class BadTimeError(UserError):
    """An option has no time or duration that can be meant."""


def duration_micros(option: str, text: str) -> int:
    """Raises BadTimeError."""
    try:
        return TypeAdapter(Duration).validate_python(text) // _MICROSECOND
    except ValidationError:
        raise BadTimeError(f"{option} {text}: no duration, as P30D, PT12H or 600 (seconds)") from None


def time_micros(option: str, text: str) -> int:
    """Raises BadTimeError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadTimeError(f"{option} {text}: no ISO 8601 time, as 2026-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise BadTimeError(f"{option} {text}: has no time zone: write 2026-01-31T12:00:00Z, say")
    return micros_of(at)
