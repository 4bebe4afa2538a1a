"""What the published prices give again, held against the ledger."""

from credit_movements.explain.ledger_check import against_ledger
from tests.unit.credit_movements.explain.explained import AT, DAY, movement, rate, rated


def test_the_ledger_agrees_with_the_prices_that_it_was_rated_by() -> None:
    once = rated(rate())
    steps, disagreements = against_ledger(movement(once), [once], None)
    assert disagreements == []
    assert (steps[-1].value, steps[-1].why) == ("-0.0976 EUR", "the ledger has the same")


def test_a_price_that_was_published_since_is_told_and_no_disagreement() -> None:
    once, today = rated(rate()), rated(rate(), rate(effective_from=AT - DAY, price_nanos=61_000_000))
    steps, disagreements = against_ledger(movement(once), [once, today], None)
    assert disagreements == []
    assert (steps[-1].name, steps[-1].value) == ("today", "-0.1952 EUR")
    assert "what was rated stands" in steps[-1].why


def test_a_rate_that_was_ended_since_is_told_too() -> None:
    once, today = rated(rate()), rated(rate(effective_to=AT - DAY))
    steps, disagreements = against_ledger(movement(once), [once, today], None)
    assert disagreements == []
    assert steps[-1].value == "refused: no_rate"


def test_a_ledger_with_another_amount_is_told_loudly() -> None:
    once = rated(rate())
    steps, disagreements = against_ledger(movement(once, credit_movement_nanos=-97_600_001), [once, once], None)
    assert disagreements == ["credit_movement is '-0.097600001', they give '-0.0976'"]
    assert steps[-1].why.startswith("DISAGREES")


def test_a_movement_of_an_earlier_log_whose_prices_are_gone_is_no_alarm() -> None:
    once, other = rated(rate()), rated(rate(rate_card_id="other"))
    steps, disagreements = against_ledger(movement(once), [other], None, is_of_earlier_log=True)
    assert disagreements is None
    assert [(step.name, step.value) for step in steps] == [("ledger", "-0.0976 EUR"), ("today", "refused: no_rate")]
    assert "rated in an earlier log" in steps[0].why
    agreed, disagreements = against_ledger(movement(once), [once], None, is_of_earlier_log=True)
    assert (agreed[-1].why, disagreements) == ("the ledger has the same", [])


def test_a_ledger_with_a_movement_that_no_price_gives_is_told_loudly() -> None:
    _, disagreements = against_ledger(movement(rated(rate())), [rated(rate(rate_card_id="other"))], None)
    assert disagreements == ["it would be refused: no_rate, account 'acme' is on no rate card that has rates"]
