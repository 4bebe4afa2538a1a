"""What `rates diff OLD NEW` finds between two price lists."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_movements.whatif.changes import ADDED, CHANGED, ENDED, Changes, changes_between
from credit_movements.whatif.changes_report import as_json, changes_csv, readable
from credit_movements.whatif.price_lists import NotComparableError, content_of, in_place_of, without_plans
from streams.pricing.numbers import number_codes
from streams.pricing.rating import PriceList
from tests.unit.credit_movements.whatif.decks import at, rate, rates_of, sms


def compared(old: pl.DataFrame, new: pl.DataFrame) -> Changes:
    return changes_between(old, without_plans(old), new, without_plans(new))


def told(changes: Changes, *names: str) -> list[tuple[Any, ...]]:
    return changes.table.select(names).rows()


def test_a_price_that_is_another_one_is_told_with_what_a_typical_use_costs() -> None:
    (row,) = readable(compared(rates_of(rate(cents=20)), rates_of(rate(cents=30)))).to_dicts()
    assert (row["kind"], row["old_price"], row["new_price"], row["old_price_units"]) == (CHANGED, "0.2", "0.3", 60)
    # A call of 90 seconds; the value of a second does not end.
    assert (row["typical_quantity"], row["old_typical"], row["new_typical"]) == (90, "0.3", "0.45")
    assert (row["typical_difference"], row["value_per_unit_difference"]) == ("0.15", "0.001666666666666667")
    assert (row["effective_from"], row["effective_to"]) == ("2026-10-01T12:00:00.000000Z", None)


def test_increments_alone_are_a_change() -> None:
    changes = compared(rates_of(rate()), rates_of(rate(initial_increment=60, increment=60)))
    assert told(changes, "kind", "old_typical_nanos", "new_typical_nanos") == [(CHANGED, 300_000_000, 400_000_000)]


def test_rates_that_are_the_same_are_not_told() -> None:
    changes = compared(rates_of(rate(), sms()), rates_of(sms(), rate(destination_name="another name")))
    assert (len(changes.table), changes.unchanged) == (0, 2)


def test_numbers_of_an_ended_rate_go_by_a_shorter_prefix_or_lose_their_rate() -> None:
    old = rates_of(rate("49"), rate("4915", 40), rate("33"))
    changes = compared(old, rates_of(rate("49")))
    assert told(changes, "destination_prefix", "kind", "old_prefix", "new_prefix") == [
        ("33", ENDED, "33", None),
        ("4915", ENDED, "4915", "49"),
    ]
    assert changes.lost["destination_prefix"].to_list() == ["33"]


def test_an_added_rate_is_told_beside_what_its_numbers_cost_before() -> None:
    changes = compared(rates_of(rate("49", 20)), rates_of(rate("49", 20), rate("4915", 40), rate("33", 10)))
    assert told(changes, "destination_prefix", "kind", "old_prefix", "old_typical_nanos", "new_typical_nanos") == [
        ("33", ADDED, None, None, 150_000_000),
        ("4915", ADDED, "49", 300_000_000, 600_000_000),
    ]


def test_a_change_lasts_from_one_rate_to_the_next() -> None:
    old = rates_of(rate(cents=20, effective_to=at(10)), rate(cents=30, begin=10))
    new = rates_of(
        rate(cents=20, effective_to=at(5)), rate(cents=25, begin=5, effective_to=at(10)), rate(cents=30, begin=10)
    )
    assert told(compared(old, new), "effective_from", "effective_to", "old_price_nanos", "new_price_nanos") == [
        (at(5), at(10), 200_000_000, 250_000_000)
    ]


def test_a_price_that_was_published_twice_is_one_period() -> None:
    old = rates_of(rate(cents=20), rate(cents=20, begin=5))
    assert told(compared(old, rates_of(rate(cents=30))), "effective_from", "effective_to") == [(at(1), None)]


def test_what_a_shorter_prefix_costs_later_cuts_the_time_of_an_ended_rate() -> None:
    old = rates_of(rate("4915", 40), rate("49", 20))
    new = rates_of(rate("49", 20), rate("49", 25, begin=5))
    ended = compared(old, new).table.filter(kind=ENDED)
    assert ended.select("effective_from", "effective_to", "new_price_nanos").rows() == [
        (at(1), at(5), 200_000_000),
        (at(5), None, 250_000_000),
    ]


def test_a_deck_is_the_whole_list_of_its_cards_from_its_first_rate_on() -> None:
    published = rates_of(rate("49", 20), rate("33", 10), rate("49", 50, rate_card_id="vip"))
    deck = rates_of(rate("49", 25, begin=5))
    changes = compared(published, in_place_of(published, deck, over=False))
    assert told(changes, "destination_prefix", "kind", "effective_from", "new_price_nanos") == [
        ("33", ENDED, at(5), None),
        ("49", CHANGED, at(5), 250_000_000),
    ]


def test_laid_over_a_deck_says_only_what_its_lines_say() -> None:
    published = rates_of(rate("49", 20), rate("33", 10))
    deck = rates_of(rate("49", 25))
    changes = compared(published, in_place_of(published, deck, over=True))
    assert told(changes, "destination_prefix", "kind", "new_price_nanos") == [("49", CHANGED, 250_000_000)]


@pytest.mark.parametrize("over", [False, True])
def test_a_card_of_another_currency_cannot_be_compared(over: bool) -> None:
    with pytest.raises(NotComparableError, match="'default' is in EUR in the one and in USD"):
        in_place_of(rates_of(rate()), rates_of(rate(currency="USD")), over=over)


def test_the_content_of_a_deck_is_that_of_its_rates_in_any_order() -> None:
    one, other = rate("49"), rate("33")
    assert content_of(rates_of(one, other)) == content_of(rates_of(other, one))
    assert content_of(rates_of(one)) != content_of(rates_of({**one, "price_nanos": 1}))


def test_the_file_and_the_json_have_every_change_and_a_name_that_no_spreadsheet_runs() -> None:
    changes = compared(rates_of(rate(cents=20)), rates_of(rate(cents=30, destination_name="=1+1")))
    assert changes_csv(changes).decode().splitlines()[1].split(",")[:5] == ["default", "call", "49", "'=1+1", CHANGED]
    told_all = as_json("old.csv", "new.csv", changes)
    assert [told_all[name] for name in ("added", "ended", "changed", "unchanged", "lose_their_rate")] == [0, 0, 1, 0, 0]


PREFIXES = ["", "4", "49", "491", "33"]
SOME_RATES = st.lists(
    st.builds(
        rate,
        st.sampled_from(PREFIXES),
        st.integers(1, 3),
        st.integers(1, 4),
        effective_to=st.sampled_from([None, at(5), at(6)]),
    ),
    max_size=6,
    unique_by=lambda each: (each["destination_prefix"], each["effective_from"]),
)


def price_at(rates: pl.DataFrame, prices: PriceList, number: str, micros: int) -> tuple[Any, ...] | None:
    codes, _ = number_codes(pl.Series([number]))
    if not len(rates):
        return None
    (row,) = prices.book.find(*(pl.Series([0]).to_numpy() for _ in range(2)), codes, pl.Series([micros]).to_numpy())
    return None if row < 0 else tuple(rates.row(int(row), named=True)[name] for name in ("price_nanos", "increment"))


@settings(max_examples=40)
@given(SOME_RATES, SOME_RATES)
def test_where_a_number_costs_something_else_the_row_of_its_longest_line_says_what(
    old_list: list[dict[str, Any]], new_list: list[dict[str, Any]]
) -> None:
    """Asked at noon of each day and a moment before, by what rating finds in both lists."""
    old, new = rates_of(*old_list), rates_of(*new_list)
    old_prices, new_prices = without_plans(old), without_plans(new)
    table = changes_between(old, old_prices, new, new_prices).table
    for number in ("+4912345", "+4987", "+331"):
        for micros in (time for day in range(1, 8) for time in (at(day) - 1, at(day))):
            was, is_ = price_at(old, old_prices, number, micros), price_at(new, new_prices, number, micros)
            rows = [
                row
                for row in table.iter_rows(named=True)
                if number[1:].startswith(row["destination_prefix"])
                and row["effective_from"] <= micros
                and (row["effective_to"] is None or micros < row["effective_to"])
            ]
            longest = max(rows, key=lambda row: len(row["destination_prefix"]), default=None)
            if was != is_:
                assert longest is not None
                assert (longest["old_price_nanos"], longest["new_price_nanos"]) == (
                    None if was is None else was[0],
                    None if is_ is None else is_[0],
                )
