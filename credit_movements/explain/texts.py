"""How numbers and times are said. Pure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from streams.pricing.rates import EARLIEST_MICROS, LATEST_MICROS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = 9


def money(nanos: int) -> str:
    """Nanos as a plain decimal."""
    return "0" if nanos == 0 else f"{Decimal(nanos).scaleb(-_PLACES).normalize():f}"


def time_of(micros: int) -> str:
    """A time as people read it: RFC 3339, with as many decimals of a second as it needs."""
    if not EARLIEST_MICROS <= micros <= LATEST_MICROS:
        return f"{micros} microseconds since 1970"
    at = _EPOCH + timedelta(microseconds=micros)
    return f"{at:%Y-%m-%dT%H:%M:%S}{f'.{at.microsecond:06}'.rstrip('0') if at.microsecond else ''}Z"


def readable(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record for people: times RFC 3339, money plain decimals, both under their contract's names without the
    unit."""
    return {name.removesuffix("_nanos"): _readable(name, value) for name, value in fields.items()}


def _readable(name: str, value: Any) -> Any:
    if not isinstance(value, int):
        return value
    if name.endswith("_nanos"):
        return money(value)
    is_time = name.endswith("_at") or name in {"effective_from", "effective_to", "rate_effective_from"}
    return time_of(value) if is_time else value
