"""The demo's refund gives back what a call took, once."""

import pytest

from credit_movements.demo.company import Company, company
from credit_movements.demo.company_oracle import CompanyOracle
from credit_movements.demo.oracle import NANO
from credit_movements.demo.refunds import refunds
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS

NOW = 1_763_884_800_123_456  # 2025-11-23T08:00:00.123456Z


@pytest.fixture(scope="module")
def made() -> Company:
    return company(NOW, seed=3, events=8_000)


def test_the_same_company_refunds_the_same_and_twice(made: Company) -> None:
    first, again = refunds(made)
    assert first == again == refunds(made)[0]


def test_it_is_all_of_what_one_call_took_and_names_it(made: Company) -> None:
    refund = refunds(made)[0]
    before = CompanyOracle(made).account(made.showcase_account_id)
    (call,) = (line for line in before.lines if line.movement_id == refund["movement_id"])
    assert call.description == "call"
    assert call.credit_movement < 0
    assert refund["amount_nanos"] * NANO == -call.credit_movement
    same = [line for line in before.lines if line.interaction_id == refund["interaction_id"]]
    assert same == [call]


def test_the_oracle_books_it_once_beside_everything_else(made: Company) -> None:
    published, account_id = refunds(made), made.showcase_account_id
    before, after = CompanyOracle(made).account(account_id), CompanyOracle(made, published).account(account_id)
    (line,) = (line for line in after.lines if line not in before.lines)
    assert (line.description, line.units_charged, line.price) == ("refund", None, None)
    assert after.balance - before.balance == published[0]["amount_nanos"] * NANO
    everything = CompanyOracle(made, published).everything()
    outcomes = everything[ADJUSTMENT_EVENTS.name]
    assert (outcomes.movements, outcomes.duplicates, outcomes.dead_letters) == (1, 1, {})
    for topic in (USAGE_EVENTS, TOP_UP_EVENTS):
        assert everything[topic.name] == made.expected(topic)
