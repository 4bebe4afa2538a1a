"""The steps from an event to its price."""

from typing import Any

import pytest

from credit_movements.explain.explanation import Step
from credit_movements.explain.steps import naming_nothing, steps_of
from tests.unit.credit_movements.explain.explained import AT, DAY, plan, rate, rated


def said(steps: list[Step]) -> dict[str, str]:
    """The last step of each name."""
    return {step.name: step.value for step in steps}


def test_every_step_of_a_call_is_told() -> None:
    steps = steps_of(rated(rate(), rate(destination_prefix="", price_nanos=10**8)))
    assert [(step.name, step.value) for step in steps] == [
        ("card", "default"),
        ("number", "49301234"),
        ("prefixes", "'', '49'"),
        ("prefix", "'49' Germany"),
        ("rate", "0.0305 EUR for 60 seconds, 30/6, 2026-07-18T07:33:20Z to open"),
        ("quantity", "187 seconds"),
        ("billed", "192 seconds"),
        ("units", "192 seconds"),
        ("price", "0.0305 EUR for 60 seconds"),
        ("amount", "-0.0976 EUR"),
    ]
    why = {step.name: step.why for step in steps}
    assert why["number"] == "'+49 (0)30 1234' as digits"
    assert why["billed"] == "the first 30 and 27 x 6"
    assert why["amount"] == "-(192 x 0.0305 / 60): exact"


def test_an_amount_that_is_rounded_says_so() -> None:
    steps = steps_of(rated(rate(price_nanos=1, price_units=7, initial_increment=1, increment=1), quantity=10))
    (amount,) = (step for step in steps if step.name == "amount")
    assert amount == Step(
        "amount",
        "-0.000000001 EUR",
        "-(10 x 0.000000001 / 7): rounded once to 9 decimals, half away from zero",
    )


def test_the_plan_in_force_and_since_when() -> None:
    gold = rate(rate_card_id="gold", price_nanos=1)
    steps = steps_of(rated(rate(), gold, plans=(plan(effective_from=AT - 90 * DAY, rate_card_id="default"), plan())))
    assert steps[0] == Step("card", "gold", "the account's plan since 2026-09-06T07:33:20Z")


def test_all_rates_of_the_prefix_are_told_with_their_periods() -> None:
    old = rate(effective_to=AT - DAY, price_nanos=1)
    now = rate(effective_from=AT - 2 * DAY, price_nanos=2)
    later = rate(effective_from=AT + DAY, price_nanos=3)
    whys = [step.why for step in steps_of(rated(later, now, old)) if step.name == "rate"]
    assert whys == ["had ended", "in force: this one", "began later"]


def test_a_prefix_without_a_rate_in_force_is_told_and_not_taken() -> None:
    steps = said(steps_of(rated(rate(), rate(destination_prefix="4930", effective_to=AT - DAY))))
    assert (steps["prefixes"], steps["prefix"]) == ("'49', '4930' (no rate in force)", "'49' Germany")


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"destination": None}, "number", "none"),
        ({"destination": "anonymous"}, "number", "none"),
        ({"quantity": 0}, "billed", "0 seconds"),
        ({"quantity": 30}, "billed", "30 seconds"),
        ({"quantity": 0}, "amount", "0 EUR"),
        ({"usage_type": "fax"}, "refused", "no_rate"),
        ({"quantity": 10**9}, "refused", "quantity_out_of_range"),
        ({"destination": "+1 212"}, "prefix", "''"),
    ],
)
def test_what_is_unusual(fields: dict[str, Any], name: str, value: str) -> None:
    world = rate(destination_prefix="", destination_name="")
    assert said(steps_of(rated(rate(), world, **fields)))[name] == value


def test_minutes_are_counted_in_seconds_and_charged_in_minutes() -> None:
    by_minute = rate(unit="minutes", unit_size=60, initial_increment=60, increment=60, price_units=1)
    steps = said(steps_of(rated(by_minute, quantity=61)))
    assert (steps["quantity"], steps["billed"], steps["units"]) == ("61 seconds", "120 seconds", "2 minutes")


def test_a_top_up_says_its_own_amount() -> None:
    top_up = {"source_topic": "top-up-events", "usage_type": None, "quantity": 0, "destination": None}
    steps = said(steps_of(rated(rate(), **top_up, amount_nanos=25 * 10**9, currency="EUR")))
    assert steps == {"card": "default", "amount": "25 EUR"}
    refused = said(steps_of(rated(rate(), **top_up, amount_nanos=25 * 10**9, currency="USD")))
    assert refused == {"card": "default", "refused": "currency_mismatch"}


def test_an_adjustment_of_a_movement_that_is_not_there_says_so() -> None:
    named = "3f0c9a52-7d1e-4b8a-9c55-000000000002"
    refund = {"source_topic": "adjustment-events", "usage_type": None, "quantity": 0, "destination": None}
    steps = steps_of(rated(rate(), **refund, amount_nanos=1, currency="EUR", corrected_movement_id=named))
    told = naming_nothing(steps)
    assert told[1].value == named
    assert told[1].why.endswith("ClickHouse has no such movement of this account")
    assert [told[0], *told[2:]] == [steps[0], *steps[2:]]


def test_an_account_without_any_card_is_refused() -> None:
    assert said(steps_of(rated(rate(rate_card_id="other"))))["refused"] == "no_rate"


def test_a_number_that_is_not_shown_is_in_no_step() -> None:
    steps = steps_of(rated(rate()), hides_number="erased")
    assert "30" + "1234" not in repr(steps)
    assert said(steps)["number"] == "erased"
