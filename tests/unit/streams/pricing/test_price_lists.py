"""A price list finds what the rules say, whether it was made at once or of a large part and a small one, change by change."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.sorted_keys import NONE
from streams.pricing import rate_book
from streams.pricing.history import PriceHistory
from streams.pricing.numbers import prefix_codes
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from streams.pricing.rates import AccountPlan, Rate
from streams.pricing.rating import PriceList
from streams.pricing.tables.hash_index import HashIndex
from tests.unit.streams.pricing.plain_history import PlainHistory, card_at, rate_at
from tests.unit.streams.test_outcome import rate

CARDS = ["default", "gold", "silver", "none such"]
TYPES = ["call", "sms"]
PREFIXES = ["", "4", "49", "491", "4915", "49151", "4916", "5", "50", "00"[:1], "4" * 18, "4" * 17, "9" * 18]
NUMBERS = ["", "4", "49", "4915", "49151234", "49160", "4914", "50", "51", "6", "0", "4" * 18, "4" * 17 + "5", "9" * 18]
ACCOUNTS = [f"account-{number}" for number in range(6)]
LATEST = 12

Record = dict[str, Any]
some_rates = st.builds(
    lambda card, usage_type, prefix, begin, end: rate(
        rate_card_id=card,
        usage_type=usage_type,
        destination_prefix=prefix,
        effective_from=begin,
        effective_to=None if end is None else begin + end,
    ),
    st.sampled_from(CARDS[:3]),
    st.sampled_from(TYPES),
    st.sampled_from(PREFIXES),
    st.integers(0, LATEST),
    st.none() | st.integers(1, 6),
)
some_plans = st.builds(
    lambda account, card, begin: {"account_id": account, "rate_card_id": card, "effective_from": begin},
    st.sampled_from(ACCOUNTS),
    st.sampled_from(CARDS),
    st.integers(0, LATEST),
)
changes = st.tuples(st.lists(some_rates, max_size=8), st.lists(some_plans, max_size=6))


def put(history: PriceHistory, rates: list[Record], plans: list[Record]) -> PriceList:
    history.put_rates(pl.DataFrame(rates, schema=RATE_COLUMNS))
    history.put_plans(pl.DataFrame(plans, schema=PLAN_COLUMNS))
    history.decide_plans()
    return history.price_list()


def found(prices: PriceList, history: PriceHistory) -> list[Record | None]:
    """The rate of each card, type, number and time, in this order."""
    asked = [
        (card, kind, number, at) for card in CARDS for kind in TYPES for number in NUMBERS for at in range(-1, 20, 2)
    ]
    priced = prices.card_names.filter(prices.card_currencies.is_not_null()).to_list()
    names = prices.card_names.to_list()
    cards = np.array([names.index(card) if card in priced else NONE for card, _, _, _ in asked])
    types = np.array([prices.book.type_index.get(kind, NONE) for _, kind, _, _ in asked])
    codes = prefix_codes(pl.Series([number for _, _, number, _ in asked]))
    rows = prices.book.find(cards, types, codes, np.array([at for _, _, _, at in asked]))
    rates = history.rates.to_dicts()
    return [None if row == NONE else rates[row] for row in rows.tolist()]


def found_cards(prices: PriceList) -> list[str | None]:
    """The card of each account and time, in this order."""
    asked = [(account, at) for account in [*ACCOUNTS, "stranger"] for at in range(-1, LATEST + 2)]
    cards = prices.plans.cards(pl.Series([account for account, _ in asked]), np.array([at for _, at in asked]))
    return [None if card == NONE else prices.card_names[card] for card in cards.tolist()]


@settings(max_examples=100, deadline=None)
@given(st.lists(changes, max_size=8), st.sampled_from(["default", "none such", None]), st.integers(0, 6))
def test_of_many_changes_a_list_finds_what_the_rules_say(
    history: list[tuple[list[Record], list[Record]]], default: str | None, least_recent: int
) -> None:
    changing, plain = PriceHistory(default, least_recent), PlainHistory(default)
    earlier: list[tuple[PriceList, list[Record | None], list[str | None]]] = []
    for rates, plans in history:
        prices = put(changing, rates, plans)
        for each in rates:
            plain.put_rate(each)
        for each in plans:
            plain.put_plan(each)
        earlier.append((prices, found(prices, changing), found_cards(prices)))
        standing = plain.decided_plans().standing
        assert earlier[-1][1] == expected_rates(list(plain.rates.values()))
        assert earlier[-1][2] == expected_cards(standing, default, set(plain.currencies))
    # What was given out does not change, though it shares columns with what came later.
    for prices, rates_then, cards_then in earlier:
        rows = [None if each is None else {**each, "effective_to": None} for each in rates_then]
        now = [None if each is None else {**each, "effective_to": None} for each in found(prices, changing)]
        assert now == rows
        assert found_cards(prices) == cards_then


def expected_rates(rates: list[Rate]) -> list[Record | None]:
    return [
        None if (right := rate_at(rates, card, kind, number, at)) is None else vars(right)
        for card in CARDS
        for kind in TYPES
        for number in NUMBERS
        for at in range(-1, 20, 2)
    ]


def expected_cards(plans: list[AccountPlan], default: str | None, with_rates: set[str]) -> list[str | None]:
    cards = [
        card_at(plans, account, at, default) for account in [*ACCOUNTS, "stranger"] for at in range(-1, LATEST + 2)
    ]
    return [card if card in with_rates else None for card in cards]


@pytest.mark.parametrize("in_cache", [0, 10_000])
def test_many_cards_with_long_prefixes_need_no_more_than_64_bits(
    in_cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_book, "_IN_CACHE", in_cache)
    rates = [
        rate(rate_card_id=f"card {number}", destination_prefix=prefix, effective_from=number % 3)
        for number in range(40)
        for prefix in ("", "49", "4" * 18, "4" * 17 + "5")
    ]
    history = PriceHistory("card 7", least_recent=10)
    prices = put(history, rates, [])
    cards = np.repeat(np.arange(40), 3)
    codes = np.tile(prefix_codes(pl.Series(["4" * 18, "4" * 17 + "6", "491"])), 40)
    rows = prices.book.find(cards, np.zeros(120, dtype=np.int64), codes, np.full(120, 5))
    prefixes = history.rates["destination_prefix"].gather(pl.Series(rows)).to_list()
    assert prefixes == ["4" * 18, "", "49"] * 40
    assert history.rates["rate_card_id"].gather(pl.Series(rows)).to_list() == [f"card {card}" for card in cards]


@given(st.lists(st.lists(st.sampled_from([f"name {number}" for number in range(12)]), max_size=6), max_size=6))
def test_names_that_share_a_hash_are_told_apart_by_their_texts(batches: list[list[str]]) -> None:
    """All names have one of two hashes here."""
    index, names = HashIndex(), pl.Series(dtype=pl.String)

    def rows_of(wanted: pl.Series) -> list[int]:
        def is_same(numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return (wanted.gather(pl.Series(numbers)) == names.gather(pl.Series(rows))).to_numpy()

        return index.find(hashes(wanted), is_same).tolist()

    def hashes(of: pl.Series) -> np.ndarray:
        return (of.str.len_chars().to_numpy() % 2).astype(np.uint64)

    expected: dict[str, int] = {}
    for batch in batches:
        new = pl.Series(list(dict.fromkeys(name for name in batch if name not in expected)), dtype=pl.String)
        numbers = np.arange(len(names), len(names) + len(new))
        names = pl.concat([names, new])
        index = index.added(hashes(new), numbers)
        expected |= dict(zip(new.to_list(), numbers.tolist(), strict=True))
        asked = [f"name {number}" for number in range(12)]
        assert rows_of(pl.Series(asked)) == [expected.get(name, NONE) for name in asked]
