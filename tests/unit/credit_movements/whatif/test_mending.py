"""The ledger rated anew, what that adds up to, and the adjustments that come of it."""

import uuid
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

from credit_movements.whatif.adjustments import (
    _NAMESPACE,
    Adjustments,
    Booking,
    EarlierAdjustments,
    adjustments_of,
    correction_ids,
)
from credit_movements.whatif.amounts import plain, plain_decimals
from credit_movements.whatif.price_lists import price_list_of
from credit_movements.whatif.report import histogram
from credit_movements.whatif.revaluation import ACCOUNT, DIMENSIONS, RatedAnew, Sums, rate_anew
from streams.pricing.checks import Check
from streams.pricing.rate_checks import PLAN_COLUMNS
from streams.pricing.rating import PASSED, Limits
from tests.unit.credit_movements.whatif.decks import at, rate, rates_of

LIMITS = Limits(timedelta(days=35), timedelta(hours=1), 72 * 3600, 10_000)
NO_PLANS = pl.DataFrame(schema=PLAN_COLUMNS)
EARLIER = {
    **dict.fromkeys(("account_id", "movement_text", "adjustment_text", "kind"), pl.String()),
    "nanos": pl.Int64(),
}
CONTENT = "5d41402abc4b2a76" + 48 * "0"
RIGHT = price_list_of(rates_of(rate(cents=20)), NO_PLANS, "default")


def movement(seconds: int = 60, nanos: int = -500_000_000, day: int = 2, **fields: Any) -> dict[str, Any]:
    return {
        "movement_text": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seconds} {nanos} {day} {fields}")), "interaction_id": "call-1",
        "account_id": "acme", "usage_type": "call", "quantity": seconds, "destination": "+4930123456",
        "occurred_at_micros": at(day), "movement_nanos": nanos, "currency_code": "EUR", "destination_prefix": "49", **fields,
    }  # fmt: skip


def block(*movements: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(movements))


def adjusted(
    movements: pl.DataFrame, *earlier: tuple[str, str, int], booking: Booking | None = None, number: int = 0
) -> Adjustments:
    """`earlier`: (movement, kind, nanos) of adjustments that the ledger has."""
    rows = [("acme", of, adjustment, kind, nanos) for of, adjustment, kind, nanos in map(named, earlier)]
    before = EarlierAdjustments(pl.DataFrame(rows, schema=EARLIER, orient="row"))
    return adjustments_of(movements, rate_anew(movements, RIGHT, LIMITS), before, booking or Booking(CONTENT, 0))


def named(each: tuple[str, ...]) -> tuple[Any, ...]:
    """An adjustment that nobody derived has an id of its own."""
    return each if len(each) == 4 else (each[0], str(uuid.uuid4()), *each[1:])


def test_a_correction_is_what_a_movement_should_have_been_less_what_it_was() -> None:
    one = movement(day=2)
    (event,) = adjusted(block(one, movement(nanos=-200_000_000))).events.to_dicts()
    assert uuid.UUID(event.pop("event_id")).version == 5
    assert event == {
        "account_id": "acme", "interaction_id": "call-1", "kind": "correction", "amount_nanos": 300_000_000,
        "currency": "EUR", "movement_id": one["movement_text"], "occurred_at": at(2),
        "reason": "-0.2 by rate deck 5d41402abc4b2a76 instead of -0.5",
    }  # fmt: skip


def test_the_same_movement_gets_the_same_adjustment_whenever_and_beside_whatever_it_is_made() -> None:
    one, other = movement(), movement(day=3, seconds=90)
    early = adjusted(block(one, other)).events
    late = adjusted(block(other, one), booking=Booking(CONTENT, at(3))).events
    assert late.rows() == [row for row in early.rows() if row[-1] == at(3)]
    assert adjusted(block(other, one)).events.sort("event_id").equals(early.sort("event_id"))


def test_the_next_correction_of_a_movement_has_one_id_whatever_the_deck_is() -> None:
    """So of two files that were made of one ledger with two decks, raters refuse the second as a conflict."""
    one = movement()
    ids = {adjusted(block(one), booking=Booking(content, 0)).events["event_id"][0] for content in (CONTENT, "f" * 64)}
    assert len(ids) == 1


def test_the_ids_are_uuids_of_version_5_of_movement_number_and_account() -> None:
    movements = pl.DataFrame(
        {"account_id": [f"é{each}" for each in range(99)], "movement_text": [str(uuid.uuid4()) for _ in range(99)]}
    )
    ids = correction_ids(movements, np.arange(99))
    for row, (account, movement_id) in enumerate(movements.iter_rows()):
        assert ids[row] == str(uuid.uuid5(_NAMESPACE, f"{movement_id}/{row}/{account}"))


def test_what_a_correction_has_mended_is_not_mended_again_and_the_next_one_has_another_id() -> None:
    one = movement()
    first = adjusted(block(one)).events.row(0, named=True)
    mended = (one["movement_text"], first["event_id"], "correction", first["amount_nanos"])
    assert adjusted(block(one), mended).events.is_empty()
    # It was mended by another deck, or by hand: only what is left, and with an id of its own.
    other = (*mended[:3], 100_000_000)
    (event,) = adjusted(block(one), other).events.to_dicts()
    assert event["amount_nanos"] == 200_000_000
    assert event["event_id"] != first["event_id"]
    by_hand = adjusted(block(one), (one["movement_text"], "correction", 100_000_000)).events.row(0, named=True)
    assert (by_hand["amount_nanos"], by_hand["event_id"]) == (200_000_000, first["event_id"])


@pytest.mark.parametrize(
    ("was", "refunded", "amount"),
    [(-500, 100, 200), (-500, 300, 0), (-500, 500, 0), (-500, -100, 300), (-100, 50, -100), (-200, 200, 0)],
)
def test_a_refund_is_not_given_back_again_and_never_taken_back(was: int, refunded: int, amount: int) -> None:
    """In thousandths; the movement should have been 200."""
    one = movement(nanos=was * 10**6)
    made = adjusted(block(one), (one["movement_text"], "refund", refunded * 10**6))
    assert made.events["amount_nanos"].to_list() == [amount * 10**6] * bool(amount)


def test_the_same_movement_id_of_another_account_is_another_movement() -> None:
    one = movement()
    other = {**one, "account_id": "bcme"}
    made = adjusted(block(one, other), (one["movement_text"], "correction", 300_000_000)).events
    assert made["account_id"].to_list() == ["bcme"]
    assert adjusted(block(one, other)).events["event_id"].n_unique() == 2


def test_what_raters_would_refuse_for_its_age_is_left_out_and_counted() -> None:
    made = adjusted(block(movement(day=2), movement(day=9)), booking=Booking(CONTENT, at(5)))
    assert (made.too_old, made.events["occurred_at"].to_list()) == (1, [at(9)])
    booked = adjusted(block(movement(day=2), movement(day=9)), booking=Booking(CONTENT, at(5), at(10)))
    assert (booked.too_old, booked.events["occurred_at"].to_list()) == (0, [at(10), at(10)])


def test_a_movement_without_another_amount_gets_no_adjustment_and_is_in_no_sum() -> None:
    movements = block(
        movement(), movement(destination="+331"), movement(currency_code="USD"), movement(seconds=72 * 3600 + 1)
    )
    anew = rate_anew(movements, RIGHT, LIMITS)
    assert len(adjusted(movements).events) == 1
    sums = Sums()
    sums.add(movements, movements["movement_nanos"].to_numpy(), anew)
    assert sums.refused == Counter({Check.NO_RATE: 1, Check.CURRENCY: 1, Check.QUANTITY: 1})
    assert sums.by(ACCOUNT).select("movements", "paid", "anew", "difference").rows() == [
        (1, -500_000_000, -200_000_000, 300_000_000)
    ]


def test_as_if_all_had_happened_at_one_time_later_prices_count() -> None:
    prices = price_list_of(rates_of(rate(cents=20), rate(cents=90, begin=20)), NO_PLANS, "default")
    anew = rate_anew(block(movement(day=2)), prices, LIMITS, at_micros=at(21))
    assert anew.nanos.tolist() == [-900_000_000]


def test_sums_are_exact_however_large_and_in_however_many_blocks() -> None:
    random = Random(1)
    rows = [
        (f"a{random.randrange(3)}", random.choice(["call", "sms"]), random.randrange(-(10**18) + 1, 0))
        for _ in range(400)
    ]
    sums, wanted = Sums(), Counter[str]()
    for first in range(0, len(rows), 100):
        part = rows[first : first + 100]
        table = block(*(movement(account_id=account, usage_type=kind, nanos=nanos) for account, kind, nanos in part))
        anew = RatedAnew(np.full(len(part), -(10**18) + 1), np.full(len(part), PASSED))
        sums.add(table, table["movement_nanos"].to_numpy(), anew)
        for account, _, nanos in part:
            wanted[account] += nanos
    for name in DIMENSIONS:
        found = sums.by(name)
        assert found["paid"].sum() == wanted.total()
        assert found["anew"].sum() == len(rows) * (1 - 10**18)
        assert found["difference"].abs().to_list() == sorted(found["difference"].abs().to_list(), reverse=True)
    assert dict(sums.by(ACCOUNT).select(ACCOUNT, "paid").iter_rows()) == wanted


def test_amounts_are_those_of_the_contract_to_the_nano() -> None:
    """By fractions, for prices that do not end."""
    random = Random(2)
    for _ in range(50):
        price, units, seconds = random.randrange(1, 10**9), random.choice([7, 60, 3600]), random.randrange(1, 5000)
        prices = price_list_of(rates_of(rate(price_nanos=price, price_units=units)), NO_PLANS, "default")
        anew = rate_anew(block(movement(seconds=seconds)), prices, LIMITS)
        exact = Fraction(price * seconds, units)
        assert anew.nanos.tolist() == [-int(exact + Fraction(1, 2))]


def test_the_histogram_counts_accounts_by_how_much_of_what_they_paid_changes() -> None:
    paid_and_difference = [(-100, 0), (-100, 5), (-100, 6), (-100, 51), (-100, -20), (-100, -21), (0, -1)]
    accounts = pl.DataFrame(paid_and_difference, schema={"paid": pl.Int128(), "difference": pl.Int128()}, orient="row")
    assert histogram(accounts) == [
        ("over 50 % less", 1), ("20 to 50 % less", 0), ("5 to 20 % less", 1), ("up to 5 % less", 1), ("the same", 1),
        ("up to 5 % more", 0), ("5 to 20 % more", 1), ("20 to 50 % more", 1), ("over 50 % more", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "0"), (-1, "-0.000000001"), (1_500_000_000, "1.5"), (10**27, "1000000000000000000"), (-(10**9), "-1")],
)
def test_amounts_are_plain_decimals(nanos: int, text: str) -> None:
    assert plain(nanos) == text
    assert plain_decimals(pl.Series("a", [nanos, None], dtype=pl.Int128)).to_list() == [text, None]
