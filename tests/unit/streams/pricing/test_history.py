"""Which rates and plans stand depends on the order within each topic alone, not on how the two interleave."""

from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.pricing.history import PriceHistory
from streams.pricing.rates import BadRateError
from tests.unit.streams.test_outcome import rate

JANUARY, MARCH = 1_767_225_600_000_000, 1_772_323_200_000_000
CARDS = {"default": "EUR", "gold": "EUR", "dollar": "USD", "unpriced": "USD"}

Record = dict[str, Any]


def on_card(card: str, **fields: Any) -> Record:
    return rate(**{"rate_card_id": card, "currency": CARDS[card], "effective_from": JANUARY, **fields})


def plan(account: str, card: str, effective_from: int = JANUARY) -> Record:
    return {"account_id": account, "rate_card_id": card, "effective_from": effective_from}


def history(rates: list[Record], plans: list[Record], default: str | None = "default") -> PriceHistory:
    made = PriceHistory(default)
    for each in rates:
        made.put_rate(each)
    for each in plans:
        made.put_plan(each)
    return made


def refusals(made: PriceHistory) -> dict[int, str]:
    return {number: str(error) for number, error in made.decided_plans().refused.items()}


def cards(made: PriceHistory, account: str) -> list[str]:
    """Of an account, in the order of time."""
    plans = [plan for plan in made.decided_plans().standing if plan.account_id == account]
    return [plan.rate_card_id for plan in sorted(plans, key=lambda each: each.effective_from)]


PRICED = [on_card("default"), on_card("gold"), on_card("dollar")]


def test_of_a_key_the_first_price_stands_and_its_end_may_change() -> None:
    made = history([on_card("default")], [])
    assert made.put_rate(on_card("default")) is False
    assert made.put_rate(on_card("default", effective_to=MARCH)) is True
    assert [each.effective_to for each in made.rates.values()] == [MARCH]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"increment": 1, "initial_increment": 1}, "initial_increment: 1, but 'default|call||2026-01-01T00:00:00"),
        ({"destination_name": "Elsewhere"}, "destination_name: 'Elsewhere', but 'default|call||2026"),
    ],
)
def test_another_price_under_a_published_key_names_what_differs(fields: Record, says: str) -> None:
    made = history([on_card("default")], [])
    with pytest.raises(BadRateError) as refused:
        made.put_rate(on_card("default", **fields))
    assert str(refused.value).startswith(says)
    assert str(refused.value).endswith("a new price needs a new effective_from")
    assert list(made.rates.values()) == list(history([on_card("default")], []).rates.values())


def test_of_a_card_the_first_currency_stands() -> None:
    made = history([on_card("default")], [])
    with pytest.raises(BadRateError, match="currency: USD, but card 'default' is in EUR"):
        made.put_rate(on_card("default", usage_type="sms", currency="USD"))


def test_a_plan_on_a_card_in_another_currency_is_refused_and_the_one_before_stands() -> None:
    made = history(PRICED, [plan("acme", "gold"), plan("acme", "dollar", MARCH)])
    assert refusals(made) == {
        1: "rate_card_id: card 'dollar' is in USD, but account 'acme' is on cards in EUR: an account has one balance"
    }
    assert cards(made, "acme") == ["gold"]


def test_an_account_may_change_between_cards_of_its_currency() -> None:
    made = history(PRICED, [plan("acme", "gold"), plan("acme", "default", MARCH), plan("other", "dollar")])
    assert refusals(made) == {}
    assert cards(made, "acme") == ["gold", "default"]


def test_a_plan_may_be_replaced_by_one_of_its_currency_alone() -> None:
    made = history(PRICED, [plan("acme", "gold"), plan("acme", "dollar"), plan("acme", "default")])
    assert list(refusals(made)) == [1]
    assert cards(made, "acme") == ["default"]


def test_an_account_that_was_on_the_default_card_keeps_its_currency() -> None:
    made = history(PRICED, [plan("acme", "dollar", MARCH)])
    assert refusals(made) == {
        0: "rate_card_id: card 'dollar' is in USD, but account 'acme' is on card 'default', in EUR, before its first plan:"
        " an account has one balance (if it never was, let its plan begin at 2026-01-01T00:00:00.000000Z, when that card"
        " begins)"
    }
    made.put_plan(plan("acme", "dollar", JANUARY))
    assert cards(made, "acme") == ["dollar"]


def test_where_no_card_is_the_default_the_first_plan_decides() -> None:
    made = history(PRICED, [plan("acme", "dollar", MARCH), plan("acme", "gold", MARCH + 1)], default=None)
    assert list(refusals(made)) == [1]


def test_a_plan_on_a_card_without_rates_stands_and_decides_nothing() -> None:
    made = history(PRICED, [plan("acme", "unpriced"), plan("acme", "gold", MARCH)])
    assert refusals(made) == {}


def test_a_card_that_gets_its_rates_later_can_put_a_plan_out_for_all_readers_alike() -> None:
    plans = [plan("acme", "gold"), plan("acme", "unpriced", MARCH)]
    made = history(PRICED, plans)
    assert refusals(made) == {}
    made.put_rate(on_card("unpriced"))
    assert refusals(made) == refusals(history([*PRICED, on_card("unpriced")], plans))
    assert list(refusals(made)) == [1]


some_rates = st.builds(
    lambda card, prefix, begin, currency, price: rate(
        rate_card_id=card, destination_prefix=prefix, effective_from=begin, currency=currency, increment=price
    ),
    st.sampled_from(sorted(CARDS)),
    st.sampled_from(["", "49"]),
    st.integers(0, 2),
    st.sampled_from(["EUR", "USD"]),
    st.integers(1, 2),
)
some_plans = st.builds(plan, st.sampled_from(["a", "b"]), st.sampled_from(sorted(CARDS)), st.integers(0, 3))


@given(st.lists(some_rates, max_size=12), st.lists(some_plans, max_size=8), st.data())
def test_every_reader_comes_to_the_same_in_whatever_order_the_two_topics_come(
    rates: list[Record], plans: list[Record], data: st.DataObject
) -> None:
    def put(made: PriceHistory, record: Record) -> None:
        with suppress(BadRateError):
            made.put_rate(record) if "currency" in record else made.put_plan(record)

    one, other = PriceHistory("default"), PriceHistory("default")
    for each in [*rates, *plans]:
        put(one, each)
    left = {"rates": iter(rates), "plans": iter(plans)}
    order = data.draw(st.permutations(["rates"] * len(rates) + ["plans"] * len(plans)))
    for topic, number in zip(order, count(), strict=False):
        put(other, next(left[topic]))
        if number % 3 == 0:
            # A running reader makes price lists in between.
            other.decided_plans()
    assert list(one.rates.values()) == list(other.rates.values())
    assert one.decided_plans().standing == other.decided_plans().standing
    assert refusals(one) == refusals(other)
    currencies: dict[str, set[str]] = {}
    for each in one.decided_plans().standing:
        if each.rate_card_id in one.currencies:
            currencies.setdefault(each.account_id, set()).add(one.currencies[each.rate_card_id])
    assert all(len(found) == 1 for found in currencies.values())
