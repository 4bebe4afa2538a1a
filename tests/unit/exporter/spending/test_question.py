"""Questions for spending and balances, as people and programs write them."""

from typing import Any

import pytest

from exporter.request.window import Period, known_time_zones
from exporter.spending.question import BadQuestionError, balance_instant, spending_question
from sinks.read.spending import _periods

NOW = 1_764_316_800_000_000  # 2025-11-28T08:00:00Z
DAY = 86_400 * 10**6


def test_without_more_the_days_of_an_export_are_meant() -> None:
    question = spending_question("acme", {}, NOW)
    assert question.by == ("day",)
    assert question.currency is None
    assert question.period == Period(NOW - 30 * DAY - 8 * 3600 * 10**6, NOW, "UTC")


@pytest.mark.parametrize(
    ("text", "zone", "micros"),
    [
        ("2025-11-28T08:00:00Z", "UTC", NOW),
        ("2025-11-28T09:00+01:00", "America/New_York", NOW),
        ("2025-11-28", "UTC", NOW - 8 * 3600 * 10**6),
        ("2025-11-28", "Europe/Berlin", NOW - 9 * 3600 * 10**6),
        # Its midnight is skipped there.
        ("2018-11-04", "America/Sao_Paulo", 1_541_300_400_000_000),
    ],
)
def test_a_date_is_its_first_instant_in_the_zone_and_a_time_has_its_own(text: str, zone: str, micros: int) -> None:
    given = {"from": text, "to": "2026-01-01", "time_zone": zone}
    assert spending_question("acme", given, NOW).period.from_micros == micros
    assert balance_instant({"at": text, "time_zone": zone}) == micros


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2025-11-28T08:00:00"}, "from"),
        ({"to": "1899-12-31"}, "to"),
        ({"to": "2299-01-01T00:00Z"}, "to"),
        ({"from": "2025-11-02", "to": "2025-11-01"}, "from"),
        ({"from": ""}, "from"),
        ({"by": "week"}, "by"),
        ({"by": ""}, "by"),
        ({"by": "day,day"}, "by"),
        ({"by": "day,hour"}, "by"),
        ({"by": "day,user,card"}, "by"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"limit": "5"}, "limit"),
    ],
)
def test_what_cannot_be_meant_is_named(given: dict[str, Any], name: str) -> None:
    with pytest.raises(BadQuestionError) as refused:
        spending_question("acme", given, NOW)
    assert refused.value.name == name
    assert str(refused.value)


def test_a_balance_without_an_instant_is_that_of_all_movements() -> None:
    assert balance_instant({}) is None
    with pytest.raises(BadQuestionError):
        balance_instant({"by": "day"})


def test_a_balance_of_a_zone_that_nobody_knows_is_refused_with_an_instant_and_without() -> None:
    for given in ({}, {"at": "2025-11-28"}):
        with pytest.raises(BadQuestionError, match="IANA name"):
            balance_instant({"time_zone": "Mars/Olympus"} | given)


def test_every_zone_that_may_be_asked_for_has_days_and_hours() -> None:
    for zone in known_time_zones():
        for by in ("day", "hour"):
            assert _periods(NOW - DAY, NOW, zone, by)
