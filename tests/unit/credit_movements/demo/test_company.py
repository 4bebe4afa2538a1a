"""The company is the same for the same seed, and full of what happens in life."""

from datetime import UTC, datetime

import polars as pl
import pytest

from credit_movements.demo.company import Company, company
from credit_movements.demo.generated.accounts import ACCOUNTS
from credit_movements.demo.generated.faults import DUPLICATE, MOVEMENT
from schemas.dead_letters import Reason
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS

NOW = 1_763_884_800_123_456  # 2025-11-23T08:00:00.123456Z, a Sunday
DAY = 86_400 * 10**6
EVENTS = 20_000


@pytest.fixture(scope="module")
def made() -> Company:
    return company(NOW, seed=1, events=EVENTS)


def _good(events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(pl.col("outcome") == MOVEMENT)


def test_the_same_seed_and_instant_make_the_same_company(made: Company) -> None:
    again = company(NOW, seed=1, events=EVENTS)
    assert again.usage_events.equals(made.usage_events)
    assert again.top_up_events.equals(made.top_up_events)
    assert again.plans.equals(made.plans)
    assert (again.rate_deck, again.spoiled) == (made.rate_deck, made.spoiled)


def test_another_seed_makes_another(made: Company) -> None:
    assert not company(NOW, seed=2, events=EVENTS).usage_events.equals(made.usage_events)


def test_every_reason_for_a_dead_letter_occurs(made: Company) -> None:
    """But the one of adjustments, which needs a setting."""
    used, paid = made.expected(USAGE_EVENTS), made.expected(TOP_UP_EVENTS)
    assert {*used.dead_letters, *paid.dead_letters} == set(Reason) - {Reason.REFUND_TOO_LARGE}
    assert used.movements == EVENTS
    assert used.duplicates == EVENTS // 100
    assert paid.duplicates > 0


def test_all_fifty_accounts_use_and_pay(made: Company) -> None:
    ids = {account.account_id for account in ACCOUNTS}
    assert len(ids) == 50
    assert set(_good(made.usage_events)["account_id"]) == ids
    assert set(_good(made.top_up_events)["account_id"]) == ids
    assert any(not each.isascii() for each in ids)


def test_a_duplicate_and_a_conflict_come_after_their_original(made: Company) -> None:
    for events in (made.usage_events, made.top_up_events):
        first: dict[tuple[str, str], dict[str, object]] = {}
        for event in events.to_dicts():
            key, outcome = (event["account_id"], event["event_id"]), event.pop("outcome")
            if outcome == MOVEMENT:
                assert key not in first
                first[key] = event
            elif outcome == DUPLICATE:
                assert first[key] == event
            elif outcome == Reason.CONFLICT:
                assert first[key] != event


def test_two_accounts_may_meet_on_one_event_id(made: Company) -> None:
    good = _good(made.usage_events)
    assert good["event_id"].n_unique() < len(good)
    assert good.select("account_id", "event_id").is_unique().all()


def test_the_traffic_is_of_the_31_days_before(made: Company) -> None:
    start = NOW - NOW % DAY - 31 * DAY
    for events in (_good(made.usage_events), _good(made.top_up_events)):
        assert events["occurred_at"].is_between(start, NOW, closed="left").all()
    assert _good(made.usage_events)["occurred_at"].min() < start + DAY // 2  # type: ignore[operator]


def test_there_is_more_traffic_by_day_than_by_night_and_on_workdays_than_on_sundays(made: Company) -> None:
    times = [datetime.fromtimestamp(each // 10**6, UTC) for each in _good(made.usage_events)["occurred_at"]]
    by_day = sum(9 <= each.hour < 17 for each in times)
    by_night = sum(each.hour < 6 for each in times)
    sundays, tuesdays = (sum(each.weekday() == day for each in times) for day in (6, 1))
    assert by_day > 10 * by_night
    assert tuesdays > 2 * sundays


def test_plans_change_in_the_middle_of_the_month_but_never_the_currency(made: Company) -> None:
    currency = {"default": "EUR", "business-eur": "EUR", "wholesale-usd": "USD"}
    changed = 0
    for account in ACCOUNTS:
        plans = made.plans.filter(account_id=account.account_id)
        assert {currency[card] for card in plans["rate_card_id"]} <= {account.currency}
        changed += plans["effective_from"].max() == NOW - NOW % DAY - 12 * DAY + 34_200 * 10**6
    assert changed >= 5
    assert made.plans["account_id"].n_unique() < len(ACCOUNTS)


def test_what_the_price_does_not_depend_on_is_said_of_most(made: Company) -> None:
    good = _good(made.usage_events)
    said = {kind: part for (kind,), part in good.group_by("usage_type")}
    directions = dict.fromkeys(("call", "sms", "whatsapp", "mms"), "outbound")
    directions |= {"ai-voice-agents": "inbound", "stt": None}
    assert {kind: set(part["direction"]) for kind, part in said.items()} == {
        kind: {direction} for kind, direction in directions.items()
    }
    assert (good["from_number"].is_null() == good["direction"].is_null()).all()
    campaigns = good.filter(pl.col("campaign_id").is_not_null())
    assert set(campaigns["usage_type"]) == {"sms", "whatsapp", "mms"}
    assert len(campaigns) > len(good) // 10


def test_a_company_can_be_made_at_any_instant() -> None:
    for now in (0, 1, DAY // 2, DAY - 1):
        made = company(1_763_856_000_000_000 + now, events=2_000)
        assert made.expected(USAGE_EVENTS).movements == 2_000
