"""Whole batches of made-up events end as the oracle says, one by one."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from credit_movements.demo.oracle import Oracle
from tests.prices import history_of
from tests.unit.streams.test_outcome import DAY, NOW, adjustment, classified, event, outcome_of_each, rate, top_up

prefixes = st.sampled_from(["", "1", "16", "1684", "4", "44", "447", "4470", "49", "4915", "0", "02"])
days = st.integers(0, 6).map(lambda day: NOW - (30 - 5 * day) * DAY)
units = st.sampled_from([("seconds", 1), ("minutes", 60), ("fragments", 1), ("messages", 1)])


@st.composite
def some_rates(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for card in ("default", "gold"):
        for _ in range(draw(st.integers(0, 12))):
            unit, size = draw(units)
            start = draw(days)
            made.append(
                rate(
                    rate_card_id=card, usage_type=draw(st.sampled_from(["call", "sms"])), destination_prefix=draw(prefixes),
                    unit=unit, unit_size=size, initial_increment=size * draw(st.integers(1, 70)),
                    increment=size * draw(st.integers(1, 70)),
                    price_nanos=draw(st.sampled_from([0, 1, 37_500_000, 10**15, 10**18 - 1])),
                    price_units=draw(st.sampled_from([1, 3, 60, 999, 3600, 10**9])),
                    currency="EUR" if card == "default" else "USD", effective_from=start,
                    effective_to=draw(st.none() | st.integers(1, 12).map(lambda span, start=start: start + span * DAY)),
                )
            )  # fmt: skip
    return list(
        {
            (each["rate_card_id"], each["usage_type"], each["destination_prefix"], each["effective_from"]): each
            for each in made
        }.values()
    )


some_numbers = (
    st.none()
    | st.sampled_from(["anonymous", "", "+", "4"])
    | st.from_regex(r"\A(\+|00)?(1684|1|447|44|4915)[0-9 .()-]{0,9}\Z")
)
some_events = st.lists(
    st.builds(
        lambda number, make, fields, account, amount, adjusted: make(
            number,
            account_id=account,
            **(fields if make is event else amount),
            **(adjusted if make is adjustment else {}),
        ),
        st.integers(0, 5),
        st.sampled_from([event, event, event, top_up, adjustment]),
        st.fixed_dictionaries(
            {},
            optional={
                "usage_type": st.sampled_from(["call", "sms", "fax"]),
                "quantity": st.sampled_from(
                    [-1, 0, 1, 59, 60, 61, 10_000, 10_001, 259_200, 259_201, 2**63 - 1, -(2**63)]
                ),
                "destination": some_numbers,
                "occurred_at": days
                | st.sampled_from(
                    [NOW - 35 * DAY, NOW - 35 * DAY - 1, NOW + DAY // 24, NOW + DAY // 24 + 1, 2**63 - 1]
                ),
                "event_id": st.sampled_from(["", "X" * 36, "00000000-0000-4000-8000-00000000000A"]),
                "user_id": st.sampled_from([None, "", "u", "ü" * 128, "u" * 129]),
                "interaction_id": st.sampled_from(["", "i", "😀" * 128, "i" * 129]),
                "partition": st.integers(0, 11),
            },
        ),
        st.sampled_from(["acme", "Zürich 😀", "b"]),
        st.fixed_dictionaries(
            {},
            optional={
                "amount_nanos": st.sampled_from(
                    [0, -1, 1, 10**18 - 1, 10**18, 2**63 - 1, -(10**18) + 1, -(10**18), -(2**63)]
                ),
                "currency": st.sampled_from(["EUR", "USD", ""]),
                "occurred_at": days,
            },
        ),
        st.fixed_dictionaries(
            {},
            optional={
                "kind": st.sampled_from(["refund", "chargeback", "correction", "top-up", "Refund", ""]),
                "corrected_movement_id": st.sampled_from([None, "", "00000000-0000-4000-8000-00000000000A"]),
                "reason": st.sampled_from([None, "", "ü" * 1024, "ü" * 1025]),
                "direction": st.sampled_from([None, "outbound", "inbound", "", "Outbound"]),
                "from_number": st.sampled_from([None, "+49", "", "9" * 128, "9" * 129]),
                "campaign_id": st.sampled_from([None, "spring", "", "9" * 129]),
            },
        ),
    ),
    max_size=30,
)
some_plans = st.lists(
    st.builds(
        lambda account, card, at: {"account_id": account, "rate_card_id": card, "effective_from": at},
        st.sampled_from(["acme", "Zürich 😀"]), st.sampled_from(["default", "gold", "none such"]), days,
    ),
    max_size=4, unique_by=lambda plan: (plan["account_id"], plan["effective_from"]),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(some_events, some_rates(), some_plans)
def test_a_batch_ends_as_the_oracle_says_event_by_event(
    events: list[dict[str, Any]], rates: list[dict[str, Any]], plans: list[dict[str, Any]]
) -> None:
    oracle = Oracle(rates, history_of(rates, plans).standing_plans().to_dicts())
    assert outcome_of_each(classified(events, rates, plans), len(events)) == [oracle.outcome(each) for each in events]
