"""Which rates and plans stand depends on the order within each topic alone, not on how the two interleave."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.pricing.history import PriceHistory
from streams.pricing.plan_table import TakenPlans
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from streams.pricing.rate_table import TakenRates
from streams.pricing.rates import BadRateError
from tests.unit.streams.pricing.plain_history import PlainHistory
from tests.unit.streams.test_outcome import rate

JANUARY, MARCH = 1_767_225_600_000_000, 1_772_323_200_000_000
CARDS = {"default": "EUR", "gold": "EUR", "dollar": "USD", "unpriced": "USD"}

Record = dict[str, Any]


def on_card(card: str, **fields: Any) -> Record:
    return rate(**{"rate_card_id": card, "currency": CARDS[card], "effective_from": JANUARY, **fields})


def plan(account: str, card: str, effective_from: int = JANUARY) -> Record:
    return {"account_id": account, "rate_card_id": card, "effective_from": effective_from}


def put_rates(made: PriceHistory, *rates: Record) -> TakenRates:
    return made.put_rates(pl.DataFrame(rates, schema=RATE_COLUMNS))


def put_plans(made: PriceHistory, *plans: Record) -> TakenPlans:
    return made.put_plans(pl.DataFrame(plans, schema=PLAN_COLUMNS))


def history(rates: list[Record], plans: list[Record], default: str | None = "default") -> PriceHistory:
    made = PriceHistory(default)
    for each in rates:
        put_rates(made, each)
    for each in plans:
        put_plans(made, each)
    return made


def refusals(made: PriceHistory) -> dict[int, str]:
    made.decide_plans()
    return {number: str(made.why_refused(number)) for number in made.refused_plans().tolist()}


def cards(made: PriceHistory, account: str) -> list[str]:
    """Of an account, in the order of time."""
    made.decide_plans()
    of_account = made.standing_plans().filter(account_id=account).sort("effective_from")
    return of_account["rate_card_id"].to_list()


PRICED = [on_card("default"), on_card("gold"), on_card("dollar")]


def test_of_a_key_the_first_price_stands_and_its_end_may_change() -> None:
    made = history([on_card("default")], [])
    taken = put_rates(made, on_card("default"), on_card("default", effective_to=MARCH))
    assert (taken.is_new.tolist(), taken.is_first.tolist()) == ([False, True], [False, False])
    assert made.rates["effective_to"].to_list() == [MARCH]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"increment": 1, "initial_increment": 1}, "initial_increment: 1, but 'default|call||2026-01-01T00:00:00"),
        ({"destination_name": "Elsewhere"}, "destination_name: 'Elsewhere', but 'default|call||2026"),
    ],
)
def test_another_price_under_a_published_key_names_what_differs(fields: Record, says: str) -> None:
    made = history([on_card("default")], [])
    (refused,) = put_rates(made, on_card("default", **fields)).refused.values()
    assert str(refused).startswith(says)
    assert str(refused).endswith("a new price needs a new effective_from")
    assert made.rates.equals(history([on_card("default")], []).rates)


def test_of_a_card_the_first_currency_stands() -> None:
    made = history([on_card("default")], [])
    (refused,) = put_rates(made, on_card("default", usage_type="sms", currency="USD")).refused.values()
    assert str(refused) == "currency: USD, but card 'default' is in EUR"


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
    put_plans(made, plan("acme", "dollar", JANUARY))
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
    put_rates(made, on_card("unpriced"))
    assert refusals(made) == refusals(history([*PRICED, on_card("unpriced")], plans))
    assert list(refusals(made)) == [1]


def test_an_earlier_rate_of_the_default_card_can_put_a_plan_out_for_all_readers_alike() -> None:
    begun_in_march = [on_card("default", effective_from=MARCH), on_card("dollar")]
    plans = [plan("acme", "dollar", MARCH)]
    made = history(begun_in_march, plans)
    assert refusals(made) == {}
    put_rates(made, on_card("default"))
    assert refusals(made) == refusals(history([*begun_in_march, on_card("default")], plans))
    assert list(refusals(made)) == [0]


some_rates = st.builds(
    lambda card, prefix, begin, end, currency, price: rate(
        rate_card_id=card,
        destination_prefix=prefix,
        effective_from=begin,
        effective_to=end,
        currency=currency,
        increment=price,
        destination_name=str(price // 2),
    ),
    st.sampled_from(sorted(CARDS)),
    st.sampled_from(["", "49"]),
    st.integers(0, 2),
    # Some of them end before they begin.
    st.none() | st.integers(1, 4),
    st.sampled_from(["EUR", "USD"]),
    st.integers(0, 3),
)
some_plans = st.builds(plan, st.sampled_from(["a", "b", ""]), st.sampled_from(sorted(CARDS)), st.integers(0, 3))


class Plain:
    """The plain history, with what it said of each record."""

    def __init__(self, default: str | None) -> None:
        self.history = PlainHistory(default)
        self.said: dict[str, list[str | bool]] = {"rates": [], "plans": []}

    def put(self, topic: str, record: Record) -> None:
        try:
            is_new = self.history.put_rate(record) if topic == "rates" else self.history.put_plan(record) >= 0
            self.said[topic].append(is_new)
        except BadRateError as error:
            self.said[topic].append(str(error))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(some_rates, max_size=16),
    st.lists(some_plans, max_size=12),
    st.sampled_from(["default", "unpriced", None]),
    st.data(),
)
def test_every_reader_comes_to_the_same_in_whatever_order_the_two_topics_come(
    rates: list[Record], plans: list[Record], default: str | None, data: st.DataObject
) -> None:
    plain, made = Plain(default), PriceHistory(default, least_recent=2)
    said: dict[str, list[str | bool]] = {"rates": [], "plans": []}
    newly_refused: list[int] = []
    records = {"rates": rates, "plans": plans}
    while any(len(said[topic]) < len(records[topic]) for topic in records):
        topic = data.draw(st.sampled_from([each for each in records if len(said[each]) < len(records[each])]))
        piece = records[topic][(begin := len(said[topic])) : begin + data.draw(st.integers(1, 5))]
        for each in piece:
            plain.put(topic, each)
        if topic == "rates":
            taken = put_rates(made, *piece)
            refused, answers = taken.refused, taken.is_new.tolist()
        else:
            numbers, refused = put_plans(made, *piece)
            answers = (numbers >= 0).tolist()
        said[topic] += [str(refused[row]) if row in refused else answer for row, answer in enumerate(answers)]
        # A running reader makes price lists in between.
        if data.draw(st.booleans()):
            newly_refused += made.decide_plans().tolist()
    newly_refused += made.decide_plans().tolist()
    assert said == plain.said
    assert made.rates.to_dicts() == [vars(each) for each in plain.history.rates.values()]
    assert dict(made.currencies) == dict(plain.history.currencies)
    decided = plain.history.decided_plans()
    standing = [vars(each) for each in decided.standing]
    assert sorted(made.standing_plans().to_dicts(), key=str) == sorted(standing, key=str)
    assert refusals(made) == {number: str(error) for number, error in decided.refused.items()}
    assert set(newly_refused) >= set(decided.refused)
    for number in decided.refused:
        assert made.cards_that_decide(number) == plain.history.cards_that_decide(number)
    currencies: dict[str, set[str]] = {}
    for each in decided.standing:
        if each.rate_card_id in made.currencies:
            currencies.setdefault(each.account_id, set()).add(made.currencies[each.rate_card_id])
    assert all(len(found) == 1 for found in currencies.values())
