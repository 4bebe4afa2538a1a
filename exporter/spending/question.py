"""Questions for an account's spending and balance, of texts as people and programs write them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from exporter.request.window import Period, export_period, first_instant, known_time_zones
from sinks.read.summed.grains import BY, DAY, HOUR

# Where a time can be stored, and its day counted in any zone.
_FIRST_YEAR, _LAST_YEAR = 1900, 2298
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_BY: Final = DAY
SPENDING_NAMES: Final = frozenset({"from", "to", "by", "time_zone", "currency"})
BALANCE_NAMES: Final = frozenset({"at", "time_zone"})


class BadQuestionError(ValueError):
    """What is asked for cannot be answered. `name`: of the parameter that is wrong; the text says what it must be."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(what)
        self.name = name


@dataclass(frozen=True)
class SpendingQuestion:
    """`currency` None: that of the account's movements, which then must have one alone."""

    account_id: str
    period: Period
    by: tuple[str, ...]
    currency: str | None


def spending_question(account_id: str, given: Mapping[str, str], now_micros: int) -> SpendingQuestion:
    """`given`: `from` and `to` (an ISO 8601 time with its zone, or a local date, whose first instant is meant; by default the
    days of an export until now), `by` (one name of BY, or two joined by a comma), `time_zone` (an IANA name; UTC),
    `currency`.

    Raises BadQuestionError.
    """
    _check_names(given, SPENDING_NAMES)
    zone = _time_zone(given)
    of_export = export_period(now_micros, zone)
    assert isinstance(of_export, Period), "the zone is known"
    first = _instant(given, "from", zone, of_export.from_micros)
    last = _instant(given, "to", zone, now_micros)
    if first > last:
        raise BadQuestionError("from", "must not be after `to`")
    by = tuple(given.get("by", DEFAULT_BY).split(","))
    if not set(by) <= set(BY) or len(set(by)) != len(by) or len(by) > 2 or {DAY, HOUR} <= set(by):
        raise BadQuestionError("by", f"must be one of {', '.join(BY)}, or two of them joined by a comma")
    return SpendingQuestion(account_id, Period(first, last, zone), by, given.get("currency"))


def balance_instant(given: Mapping[str, str]) -> int | None:
    """`given`: `at`, as `from` above; without it all movements count, and this is None. Raises BadQuestionError."""
    _check_names(given, BALANCE_NAMES)
    zone = _time_zone(given)
    return _instant(given, "at", zone, 0) if "at" in given else None


def _check_names(given: Mapping[str, str], known: frozenset[str]) -> None:
    if strange := sorted(given.keys() - known):
        raise BadQuestionError(strange[0], f"is none of {', '.join(sorted(known))}")


def _time_zone(given: Mapping[str, str]) -> str:
    zone = given.get("time_zone", "UTC")
    if zone not in known_time_zones():
        raise BadQuestionError("time_zone", "must be an IANA name such as Europe/Berlin")
    return zone


def _instant(given: Mapping[str, str], name: str, time_zone: str, otherwise: int) -> int:
    text = given.get(name)
    if text is None:
        return otherwise
    wrong = BadQuestionError(
        name,
        "must be a date, or an ISO 8601 time with its zone such as 2026-01-31T12:00:00Z, of the years 1900 to 2298",
    )
    try:
        day = date.fromisoformat(text) if "T" not in text else None
        at = datetime.fromisoformat(text) if day is None else None
    except ValueError:
        raise wrong from None
    if not _FIRST_YEAR <= (day or at or _EPOCH).year <= _LAST_YEAR or (at is not None and at.tzinfo is None):
        raise wrong
    if day is not None:
        return first_instant(day, ZoneInfo(time_zone))
    assert at is not None
    return (at - _EPOCH) // timedelta(microseconds=1)
