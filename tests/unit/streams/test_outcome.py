"""The pure heart gives what the oracle gives; edge cases by name."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from aiokafka.partitioner import murmur2

from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.events.table import EVENT_COLUMNS
from streams.outcome import KnownIds, Outcomes, check_batch, classify, refusals_of
from tests.limits import LIMITS
from tests.prices import price_list

NOW = 1_760_000_000_000_000
DAY = 86_400 * 10**6
PARTITIONS = 12


def rate(**fields: Any) -> dict[str, Any]:
    return {
        "rate_card_id": "default", "usage_type": "call", "destination_prefix": "", "destination_name": "", "unit": "seconds",
        "unit_size": 1, "initial_increment": 60, "increment": 60, "price_nanos": 1000, "price_units": 1, "currency": "EUR",
        "effective_from": NOW - 40 * DAY, "effective_to": None,
    } | fields  # fmt: skip


def event(number: int = 0, **fields: Any) -> dict[str, Any]:
    made = {
        "row": 0, "partition": 0, "offset": number, "recorded_at": NOW, "newest_at": NOW, "source_topic": "usage-events",
        "event_id": f"00000000-0000-4000-8000-{number:012x}", "account_id": "acme", "interaction_id": f"call-{number}",
        "usage_type": "call", "quantity": 61, "destination": "+49 151 2345678", "occurred_at": NOW - DAY, "user_id": None,
        "amount_nanos": None, "currency": None, "kind": None, "corrected_movement_id": None, "reason": None,
        "direction": None, "from_number": None, "campaign_id": None,
    } | fields  # fmt: skip
    if "partition" not in fields:
        made["partition"] = (murmur2(made["account_id"].encode()) & 0x7FFFFFFF) % PARTITIONS
    return made


def top_up(number: int = 0, **fields: Any) -> dict[str, Any]:
    return event(number, **{
        "source_topic": "top-up-events", "usage_type": None, "quantity": 0, "destination": None,
        "amount_nanos": 25 * 10**9, "currency": "EUR",
    } | fields)  # fmt: skip


def adjustment(number: int = 0, **fields: Any) -> dict[str, Any]:
    return top_up(number, **{
        "source_topic": "adjustment-events", "kind": "refund", "amount_nanos": 10**9, "reason": "the line was bad",
        "corrected_movement_id": "00000000-0000-4000-8000-0000000000aa",
    } | fields)  # fmt: skip


def classified(
    events: list[dict[str, Any]],
    rates: Iterable[dict[str, Any]],
    plans: Iterable[dict[str, Any]] = (),
    default: str | None = "default",
) -> Outcomes:
    table = pl.DataFrame([{**each, "row": row} for row, each in enumerate(events)], schema=EVENT_COLUMNS)
    prices = price_list(rates, plans, default)
    nothing = KnownIds(np.zeros(len(table), dtype=bool), np.zeros(len(table), dtype=np.uint64))
    failed = check_batch(table, PARTITIONS, LIMITS)
    return classify(table, failed, id_hashes(table), content_hashes(table), nothing, prices, LIMITS)


def outcome_of_each(result: Outcomes, count: int) -> list[tuple[str, Any]]:
    found: dict[int, tuple[str, Any]] = {}
    for row in result.duplicates.tolist():
        found[row] = ("duplicate", None)
    for row, check, _ in refusals_of(result):
        found[row] = ("refused", check.reason.value)
    for row, line in zip(result.moved.tolist(), result.movements.iter_rows(named=True), strict=True):
        named = line["destination_prefix"]
        priced_by = None if named is None else (named, line["rate_effective_from"])
        amount = Decimal(line["credit_movement_nanos"]) * Decimal("1e-9")
        assert row not in found
        found[row] = ("movement", (amount, line["units_charged"], line["unit"], priced_by))
    assert len(found) == count
    return [found[row] for row in range(count)]


def only(result: Outcomes) -> dict[str, Any]:
    assert len(result.movements) == 1
    return result.movements.row(0, named=True)


@pytest.mark.parametrize(
    ("quantity", "initial", "increment", "units"),
    [
        (0, 60, 60, 0), (1, 60, 60, 60), (59, 60, 60, 60), (60, 60, 60, 60), (61, 60, 60, 120), (120, 60, 60, 120),
        (1, 30, 6, 30), (30, 30, 6, 30), (31, 30, 6, 36), (36, 30, 6, 36), (37, 30, 6, 42),
        (0, 1, 1, 0), (1, 1, 1, 1), (2, 1, 1, 2), (259_200, 1, 1, 259_200),
    ],
)  # fmt: skip
def test_billing_increments(quantity: int, initial: int, increment: int, units: int) -> None:
    line = only(classified([event(quantity=quantity)], [rate(initial_increment=initial, increment=increment)]))
    assert (line["units_charged"], line["credit_movement_nanos"]) == (units, -1000 * units)


def test_whole_minutes() -> None:
    minutes = rate(unit="minutes", unit_size=60, price_nanos=150_000_000)
    line = only(classified([event(quantity=61)], [minutes]))
    assert (line["units_charged"], line["unit"], line["credit_movement_nanos"]) == (2, "minutes", -300_000_000)


@pytest.mark.parametrize(
    ("destination", "prefix"),
    [
        ("+44 7911 123456", "447"), ("0044-20-7946-0000", "44"), ("(+44).20[79]46 0000", "44"), ("44", "44"), ("4", ""),
        ("447", "447"), ("anonymous", ""), (None, ""), ("", ""), ("+", ""), ("+44x7", ""), ("٤٤٧", "447"), ("0447", ""),
        ("00447", "447"), ("+0044", ""), ("4" * 40, "44"),
    ],
)  # fmt: skip
def test_the_longest_prefix_that_begins_the_number_wins(destination: str | None, prefix: str) -> None:
    rates = [rate(destination_prefix=each, price_nanos=len(each)) for each in ("", "44", "447", "4470000")]
    assert only(classified([event(destination=destination)], rates))["destination_prefix"] == prefix


def test_a_dear_long_prefix_wins_over_a_cheap_short_one() -> None:
    rates = [rate(destination_prefix="49"), rate(destination_prefix="4915", price_nanos=9)]
    assert only(classified([event()], rates))["destination_prefix"] == "4915"


def test_a_rate_ends_the_microsecond_before_the_event() -> None:
    at = NOW - DAY
    rates = [rate(effective_to=at, price_nanos=1), rate(effective_from=at, price_nanos=2)]
    assert only(classified([event(occurred_at=at)], rates))["price_nanos"] == 2
    assert only(classified([event(occurred_at=at - 1)], rates))["price_nanos"] == 1


def test_an_ended_long_prefix_leaves_the_number_to_a_shorter_one() -> None:
    rates = [rate(destination_prefix="49"), rate(destination_prefix="4915", effective_to=NOW - 2 * DAY)]
    assert only(classified([event()], rates))["destination_prefix"] == "49"


def test_of_open_rates_of_one_prefix_the_latest_stands_and_the_earlier_one_again_after_its_end() -> None:
    rates = [
        rate(price_nanos=1),
        rate(effective_from=NOW - 9 * DAY, effective_to=NOW - 5 * DAY, price_nanos=2),
    ]
    events = [event(day, occurred_at=NOW - day * DAY) for day in (10, 9, 6, 5)]
    assert classified(events, rates).movements["price_nanos"].to_list() == [1, 2, 2, 1]


def test_the_plan_in_force_at_the_time_of_the_event_names_the_card() -> None:
    rates = [rate(rate_card_id=card) for card in ("default", "gold", "silver")]
    plans = [
        {"account_id": "acme", "rate_card_id": card, "effective_from": NOW - days * DAY}
        for card, days in (("gold", 20), ("silver", 10))
    ]
    events = [event(day, occurred_at=NOW - day * DAY) for day in (21, 20, 11, 10)]
    assert classified(events, rates, plans).movements["rate_card_id"].to_list() == ["default", "gold", "gold", "silver"]


def test_no_plan_and_no_default_card_is_no_rate() -> None:
    result = classified([event(), top_up(1)], [rate()], default=None)
    assert outcome_of_each(result, 2) == [("refused", "no_rate")] * 2


def test_eighteen_digits_of_money_are_exact_and_one_nano_more_is_refused() -> None:
    dear = rate(price_nanos=333_333_333_333_333_333, initial_increment=1, increment=1)
    result = classified([event(quantity=quantity, number=quantity) for quantity in (3, 4)], [dear])
    assert only(result)["credit_movement_nanos"] == -999_999_999_999_999_999
    assert outcome_of_each(result, 2)[1] == ("refused", "amount_out_of_range")


def test_a_product_that_wraps_around_64_bits_is_refused() -> None:
    dear = rate(price_nanos=10**18 - 1, initial_increment=10**15, increment=10**15)
    assert outcome_of_each(classified([event()], [dear]), 1) == [("refused", "amount_out_of_range")]


def test_top_ups_add_in_the_currency_of_the_card_alone() -> None:
    result = classified(
        [top_up(), top_up(1, currency="USD"), top_up(2, amount_nanos=0), top_up(3, amount_nanos=10**18)], [rate()]
    )
    line = only(result)
    assert (line["credit_movement_nanos"], line["unit"], line["units_charged"], line["description"]) == (
        25 * 10**9,
        "",
        0,
        "top-up",
    )
    assert [reason for _, reason in outcome_of_each(result, 4)[1:]] == [
        "currency_mismatch",
        *["amount_out_of_range"] * 2,
    ]


def test_the_same_event_again_is_a_duplicate_and_another_content_a_conflict() -> None:
    result = classified([event(), event(), event(quantity=62), event(1), event(user_id="u")], [rate()])
    kinds = [reason or kind for kind, reason in outcome_of_each(result, 5) if kind != "movement"]
    assert kinds == ["duplicate", "conflict", "conflict"]


def test_a_dead_letter_is_not_remembered() -> None:
    events = [event(usage_type="fax"), event(), event(usage_type="fax"), event()]
    kinds = [kind if kind != "refused" else reason for kind, reason in outcome_of_each(classified(events, [rate()]), 4)]
    assert kinds == ["no_rate", "movement", "conflict", "duplicate"]


def test_the_refusal_says_what_is_wrong() -> None:
    result = classified([event(event_id="X"), event(1, quantity=-1), event(2), event(2, quantity=1)], [rate()])
    details = {check.name: detail for _, check, detail in refusals_of(result)}
    assert details["EVENT_ID"] == "event_id 'X' is no canonical lower-case UUID"
    assert details["NEGATIVE"] == "quantity -1 is negative"
    assert "stands, this one is" in details["CONFLICT"]
