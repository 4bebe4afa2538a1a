"""What a query string may ask of the dashboard's backend, and what it may not."""

from datetime import datetime, timedelta

import pytest

from credit_movements.dashboard.questions import (
    MOST_DAYS,
    BadQuestionError,
    RefusedError,
    account_of,
    movements_of,
    only_of,
    period_of,
    time_zone_of,
)
from sinks.read.newest_movements import WantedMovements

DAY = timedelta(days=1)


def micros(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00Z")) // timedelta(microseconds=1)


def test_a_period_is_of_whole_local_days_both_ends_included() -> None:
    period = period_of({"from": "2026-03-28", "to": "2026-03-29", "time_zone": "Europe/Berlin"})
    # The second of them has 23 hours.
    assert (period.from_micros, period.to_micros) == (
        micros("2026-03-28T00:00:00+01:00"),
        micros("2026-03-30T00:00:00+02:00"),
    )
    assert period.time_zone == "Europe/Berlin"


def test_a_zone_that_is_not_known_is_utc() -> None:
    assert time_zone_of("Mars/Olympus") is None
    assert period_of({"from": "2026-03-28", "to": "2026-03-28", "time_zone": "Mars/Olympus"}).time_zone == "UTC"


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        ("2026-03-02", "2026-03-01", "ends before it begins"),
        ("2026-02-30", "2026-03-01", "A day is written"),
        ("", "2026-03-01", "A day is written"),
        ("2026-03-01", "9999-12-31", "no movements of the year 9999"),
        ("0001-01-01", "2026-03-01", "no movements of the year 1"),
        ("2024-01-01", "2026-03-01", f"more than {MOST_DAYS} days"),
    ],
)
def test_a_period_that_is_none_is_told_to_the_person(first: str, last: str, says: str) -> None:
    with pytest.raises(BadQuestionError, match=says):
        period_of({"from": first, "to": last})


def test_the_longest_period_has_as_many_days_as_it_says() -> None:
    first = datetime.fromisoformat("2025-01-01")
    for days, is_too_long in ((MOST_DAYS - 1, False), (MOST_DAYS, True)):
        query = {"from": "2025-01-01", "to": (first + days * DAY).date().isoformat()}
        if is_too_long:
            with pytest.raises(BadQuestionError):
                period_of(query)
        else:
            period_of(query)


@pytest.mark.parametrize("account", [None, "", "x" * 129, "\ud800", 7])
def test_what_is_no_account_id_is_refused(account: object) -> None:
    with pytest.raises(RefusedError):
        account_of(account)


def test_movements_are_those_of_the_choice() -> None:
    query = {"account": "acme", "user": "anna", "destination": "49", "description": "call"}
    before = {"before_at": "2026-03-28T00:00:00.000001Z", "before_id": "AAAAAAAA-0000-4000-8000-000000000000"}
    days = {"from": "2026-03-28", "to": "2026-03-28"}
    assert movements_of({**query, **before, **days}) == WantedMovements(
        "acme",
        micros("2026-03-28T00:00:00Z"),
        micros("2026-03-29T00:00:00Z"),
        "call",
        "anna",
        "49",
        (micros("2026-03-28T00:00:00Z") + 1, "aaaaaaaa-0000-4000-8000-000000000000"),
    )
    assert movements_of({"account": "acme"}) == WantedMovements("acme")


@pytest.mark.parametrize(
    "before",
    [
        {"before_id": "' OR 1"},
        {"before_id": "aaaaaaaa-0000-4000-8000-000000000000"},
        {"before_id": "aaaaaaaa-0000-4000-8000-000000000000", "before_at": "2026-03-28T00:00:00"},
        {"user": "x" * 1_001},
    ],
)
def test_what_our_own_page_would_never_ask_is_refused(before: dict[str, str]) -> None:
    with pytest.raises(RefusedError):
        movements_of({"account": "acme", **before})


def test_only_the_user_and_the_destination_narrow_the_days() -> None:
    assert only_of({"account": "acme", "user": "anna", "description": "call"}) == {"user": "anna"}
    assert only_of({"user": "", "destination": "49"}) == {"user": "", "destination": "49"}
