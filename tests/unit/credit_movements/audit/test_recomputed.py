"""Movements recomputed: what the rater charges is right by a second way of computing it, and what is wrong is found."""

import itertools
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_movements.audit.rating.called_numbers import digits_of
from credit_movements.audit.rating.rate_history import RateHistory
from credit_movements.audit.rating.recomputed import detail, faults
from credit_movements.demo.oracle_numbers import read_number
from schemas.topics import RATES
from streams.pricing import written_numbers
from tests.unit.credit_movements.audit.spoiled import CODECS
from tests.unit.streams.pricing.test_numbers import DESTINATIONS, NUMBERS
from tests.unit.streams.test_outcome import DAY, NOW, adjustment, classified, event, rate, top_up

MINUTE = 60 * 10**6
RATED_AT = NOW


def published(*rates: dict[str, Any], at: int = NOW - DAY) -> RateHistory:
    """Rates published one a second from `at` on."""
    history = RateHistory(CODECS[RATES.name])
    values = [CODECS[RATES.name].encode_one(each) for each in rates]
    history.take(
        [Message(topic="rates", partition=0, offset=n, value=value, timestamp=(1, at // 1000 + n * 1000))
         for n, value in enumerate(values)]
    )  # fmt: skip
    return history


def wrong(movements: pl.DataFrame, history: RateHistory, rated_at: int = RATED_AT) -> list[tuple[str, str]]:
    found = faults(movements.with_columns(rated_at=pl.lit(rated_at)), *history.tables())
    return [(row["kind"], detail(row)) for row in found.iter_rows(named=True)]


INCREMENTS = st.sampled_from([1, 6, 30, 60])
RATES_OF_CALLS = st.lists(
    st.builds(
        rate,
        destination_prefix=st.sampled_from(["", "4", "49", "4915", "1"]),
        initial_increment=INCREMENTS,
        increment=INCREMENTS,
        price_nanos=st.sampled_from([0, 1, 123_457, 10**12]),
        price_units=st.sampled_from([1, 7, 60, 3600]),
        effective_from=st.sampled_from([NOW - 40 * DAY, NOW - 2 * DAY]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda each: (each["destination_prefix"], each["effective_from"]),
)
EVENTS = st.lists(
    st.one_of(
        st.builds(
            event,
            st.integers(0, 10**6),
            quantity=st.integers(0, 400),
            destination=st.sampled_from(
                ["+49 151 2345678", "0049301", "tel:+1-212;ext=9", "+49 (0)151", "anonymous", None, "4x"]
            ),
            occurred_at=st.sampled_from([NOW - DAY, NOW - 3 * DAY]),
        ),
        st.builds(top_up, st.integers(0, 10**6)),
    ),
    max_size=20,
    unique_by=lambda each: each["event_id"],
)


@given(EVENTS, RATES_OF_CALLS)
@settings(max_examples=40, deadline=None)
def test_whatever_the_rater_charges_is_right(events: list[dict[str, Any]], rates: list[dict[str, Any]]) -> None:
    assert wrong(classified(events, rates).movements, published(*rates)) == []


@pytest.mark.parametrize(("destination", "digits"), NUMBERS)
def test_a_number_is_read_as_the_rater_reads_it(destination: str, digits: str) -> None:
    assert digits_of(pl.Series([destination]))[0][:18] == digits


def test_every_short_text_of_brackets_and_leads_is_read_alike_by_all_three() -> None:
    texts = ["".join(each) for length in range(1, 7) for each in itertools.product("+014()", repeat=length)]
    written = pl.Series(texts)
    expected = [read_number(each)[0] for each in texts]
    assert digits_of(written).to_list() == expected
    assert written_numbers.digits_of(written)[0].to_list() == expected


@given(st.lists(DESTINATIONS, max_size=8))
@settings(max_examples=300, deadline=None)
def test_numbers_are_read_as_the_oracle_reads_them(destinations: list[str | None]) -> None:
    read = digits_of(pl.Series(destinations, dtype=pl.String)).to_list()
    assert read == [None if each is None else read_number(each)[0] for each in destinations]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("units_charged", 121, "wrong_amount"),
        ("price_nanos", 1001, "wrong_amount"),
        ("price_units", 60, "wrong_amount"),
        ("credit_movement_nanos", -120_001, "wrong_amount"),
        ("credit_movement_nanos", 120_000, "wrong_amount"),
        ("unit", "minutes", "wrong_amount"),
        ("currency", "USD", "wrong_amount"),
        ("quantity", 121, "wrong_amount"),
        ("rate_card_id", "gold", "unknown_rate"),
        ("rate_card_id", None, "unknown_rate"),
        ("description", "sms", "unknown_rate"),
        ("destination_prefix", "49", "unknown_rate"),
        ("rate_effective_from", None, "unknown_rate"),
        ("destination", "+1 212", "wrong_rate"),
        ("destination", None, "wrong_rate"),
        ("occurred_at", NOW - 41 * DAY, "wrong_rate"),
    ],
)
def test_a_charge_with_one_wrong_field_is_found(field: str, value: Any, kind: str) -> None:
    rates = [rate(destination_prefix="4915")]
    charge = classified([event(1)], rates).movements
    spoiled = charge.with_columns(pl.lit(value, charge.schema[field]).alias(field))
    ((found, said),) = wrong(spoiled, published(*rates))
    assert found == kind
    assert said


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("credit_movement_nanos", 0, "wrong_amount"),
        ("credit_movement_nanos", -5, "wrong_amount"),
        ("units_charged", 1, "wrong_amount"),
        ("unit", "seconds", "wrong_amount"),
        ("description", "call", "wrong_amount"),
        ("currency", "USD", "wrong_amount"),
        ("rate_card_id", "gold", "unknown_rate"),
    ],
)
def test_a_top_up_with_one_wrong_field_is_found(field: str, value: Any, kind: str) -> None:
    payment = classified([top_up(1)], [rate()]).movements
    spoiled = payment.with_columns(pl.lit(value, payment.schema[field]).alias(field))
    assert [found for found, _ in wrong(spoiled, published(rate()))] == [kind]


def test_an_amount_that_only_agrees_because_it_wraps_around_is_wrong() -> None:
    dear = 10**18 - 1
    charge = classified([event(1)], [rate()]).movements
    wrapped = (-120 * dear + 2**63) % 2**64 - 2**63
    spoiled = charge.with_columns(price_nanos=pl.lit(dear), credit_movement_nanos=pl.lit(wrapped))
    assert [found for found, _ in wrong(spoiled, published(rate(price_nanos=dear)))] == ["wrong_amount"]


def test_an_end_that_was_published_later_does_not_touch_what_was_rated() -> None:
    open_end, ended = rate(), rate(effective_to=NOW - 2 * DAY)
    charge = classified([event(1)], [open_end]).movements
    ended_at = NOW - DAY
    history = published(open_end, ended, at=ended_at)
    assert wrong(charge, history, rated_at=ended_at - MINUTE) == []
    assert [found for found, _ in wrong(charge, history, rated_at=ended_at + 5 * MINUTE)] == ["wrong_rate"]
    # Published once more as it is, it did not end any later.
    again = published(open_end, ended, *[ended] * 600, at=ended_at)
    assert [found for found, _ in wrong(charge, again, rated_at=ended_at + 5 * MINUTE)] == ["wrong_rate"]


def test_of_a_key_the_first_price_stands_and_of_a_card_the_first_currency() -> None:
    charge = classified([event(1)], [rate()]).movements
    dearer, foreign = rate(price_nanos=9), rate(currency="USD", effective_from=NOW - 3 * DAY)
    assert wrong(charge, published(rate(), dearer, foreign, rate(increment=0))) == []
    assert [found for found, _ in wrong(charge, published(dearer, rate()))] == ["wrong_amount"]


@pytest.mark.parametrize("amount", [10**9, -(10**9)])
def test_an_adjustment_of_either_sign_is_right(amount: int) -> None:
    made = [
        adjustment(1, amount_nanos=amount),
        adjustment(2, amount_nanos=amount, corrected_movement_id=None, reason=None),
    ]
    assert wrong(classified(made, [rate()]).movements, published(rate())) == []


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("credit_movement_nanos", 0, "wrong_amount"),
        ("units_charged", 1, "wrong_amount"),
        ("unit", "seconds", "wrong_amount"),
        ("price_nanos", 1, "wrong_amount"),
        ("quantity", 1, "wrong_amount"),
        ("description", "top-up", "wrong_amount"),
        ("description", "call", "wrong_amount"),
        ("currency", "USD", "wrong_amount"),
        ("rate_card_id", "gold", "unknown_rate"),
        ("destination_prefix", "", "wrong_amount"),
        ("rate_effective_from", 1, "wrong_amount"),
    ],
)
def test_an_adjustment_with_one_wrong_field_is_found(field: str, value: Any, kind: str) -> None:
    moved = classified([adjustment(1)], [rate()]).movements
    ((found, said),) = wrong(moved.with_columns(pl.lit(value, moved.schema[field]).alias(field)), published(rate()))
    assert found == kind
    assert said


@pytest.mark.parametrize("make", [event, top_up])
@pytest.mark.parametrize("field", ["corrected_movement_id", "reason"])
def test_what_is_no_adjustment_corrects_nothing(make: Any, field: str) -> None:
    moved = classified([make(1)], [rate()]).movements
    ((found, _),) = wrong(moved.with_columns(pl.lit("x").alias(field)), published(rate()))
    assert found == "wrong_amount"


def test_a_destinations_name_is_its_rates_or_from_before_there_was_one() -> None:
    moved = classified([event(1), top_up(2)], [rate(destination_name="Germany")]).movements
    history = published(rate(destination_name="Germany"))
    assert wrong(moved, history) == []
    assert wrong(moved.with_columns(destination_name=pl.lit(None, pl.String)), history) == []
    ((found, said), (of_top_up, _)) = wrong(moved.with_columns(destination_name=pl.lit("France")), history)
    assert (found, of_top_up) == ("wrong_amount", "wrong_amount")
    assert "'France'" in said
    assert "'Germany'" in said
