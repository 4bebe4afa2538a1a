"""What the page asks, out of a query string: of which account, days, type, user, destination. Pure."""

import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from exporter.request.window import Period, first_instant, known_time_zones
from schemas.ids import MOST_ID_CHARACTERS
from sinks.read.newest_movements import WantedMovements
from sinks.read.summed.grains import DESTINATION, USER

MOST_DAYS: Final = 400
# Where instants can be counted in microseconds, a day of any zone more or less.
_YEARS: Final = range(1901, 2299)
_HALF: Final = re.compile("[\ud800-\udfff]")
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00Z")
# Longer than any id, number or usage type.
_MOST_CHARACTERS: Final = 1_000


class RefusedError(Exception):
    """A request that our own page would never send."""


class BadQuestionError(Exception):
    """A person asked for something that there is not. The text is for that person."""


def account_of(given: object) -> str:
    """Raises RefusedError."""
    # JSON can contain half a surrogate pair, which cannot be encoded as UTF-8.
    if not isinstance(given, str) or not 1 <= len(given) <= MOST_ID_CHARACTERS or _HALF.search(given):
        raise RefusedError(f"an account id has 1 to {MOST_ID_CHARACTERS} characters")
    return given


def time_zone_of(given: object) -> str | None:
    """None for a zone that is not in our list, though a browser may name it: an answer in UTC is better than none."""
    return given if isinstance(given, str) and given in known_time_zones() else None


def period_of(query: Mapping[str, str]) -> Period:
    """From the first instant of the local day `from` to the last one of the day `to`. Raises BadQuestionError."""
    time_zone = time_zone_of(query.get("time_zone")) or "UTC"
    first, last = _day(query.get("from", "")), _day(query.get("to", ""))
    if last < first:
        raise BadQuestionError("The period ends before it begins. Choose a later last day.")
    if (last - first).days >= MOST_DAYS:
        raise BadQuestionError(f"The period has more than {MOST_DAYS} days. Choose a shorter one.")
    zone = ZoneInfo(time_zone)
    return Period(first_instant(first, zone), first_instant(last + timedelta(days=1), zone), time_zone)


def only_of(query: Mapping[str, str]) -> dict[str, str]:
    """The `user` and `destination` that alone are asked for, where one is. Raises RefusedError."""
    given = {name: _text(query, name) for name in (USER, DESTINATION)}
    return {name: text for name, text in given.items() if text is not None}


def movements_of(query: Mapping[str, str]) -> WantedMovements:
    """Of the account `account`; only those of the days from `from` to `to`, of a `description`, `user` or `destination`, and
    older than the movement `before_id` of `before_at`, where these are given. Raises RefusedError, BadQuestionError."""
    period = period_of(query) if "from" in query else None
    first, end = (None, None) if period is None else (period.from_micros, period.to_micros)
    return WantedMovements(
        account_of(query.get("account")),
        first,
        end,
        _text(query, "description"),
        _text(query, "user"),
        _text(query, "destination"),
        _before(query) if "before_id" in query else None,
    )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadQuestionError("A day is written as 2026-11-28.") from None
    if day.year not in _YEARS:
        raise BadQuestionError(f"There are no movements of the year {day.year}.")
    return day


def _before(query: Mapping[str, str]) -> tuple[int, str]:
    try:
        at = datetime.fromisoformat(query.get("before_at", ""))
        return (at - _EPOCH) // timedelta(microseconds=1), str(uuid.UUID(query["before_id"]))
    except (ValueError, TypeError, OverflowError):
        raise RefusedError("the movement before is named by its time and its id") from None


def _text(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name)
    if text is not None and len(text) > _MOST_CHARACTERS:
        raise RefusedError(f"{name} has at most {_MOST_CHARACTERS} characters")
    return text
