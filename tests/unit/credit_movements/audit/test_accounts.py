"""Whatever the rater makes of a partition adds up; whatever is spoiled in it is found."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import USAGE_EVENTS
from tests.unit.credit_movements.audit.spoiled import CODECS, GAP, NOW_MILLIS, Outcome, audited, rated

NOW = NOW_MILLIS * 1000
DAY = 86_400 * 10**6
RATE: dict[str, Any] = {
    "rate_card_id": "default", "usage_type": "call", "destination_prefix": "", "destination_name": "", "unit": "seconds",
    "unit_size": 1, "initial_increment": 60, "increment": 60, "price_nanos": 1000, "price_units": 1, "currency": "EUR",
    "effective_from": 0, "effective_to": None,
}  # fmt: skip


def event(number: int, **fields: Any) -> bytes:
    made = {
        "event_id": f"00000000-0000-4000-8000-{number:012x}", "account_id": "acme", "interaction_id": f"call-{number}",
        "usage_type": "call", "quantity": 61, "destination": "+49 151 2345678", "occurred_at": NOW - DAY, "user_id": None,
    } | fields  # fmt: skip
    return CODECS[USAGE_EVENTS.name].encode_one(made)


def kinds(outcome: Outcome) -> dict[str, int]:
    return {told.kind.value: told.count for told in audited(outcome)[1].found()}


def without(items: list[Any], at: int) -> list[Any]:
    return [each for number, each in enumerate(items) if number != at]


GOOD = rated(
    [
        event(1),
        event(2),
        event(1),
        b"garbage",
        event(3, usage_type="fax"),
        event(2, quantity=7),
        event(4),
        None,
        event(1),
    ],
    [RATE],
)
VALUES = st.one_of(
    st.builds(
        event,
        st.integers(0, 6),
        quantity=st.sampled_from([0, 61, 61, 61, 300_000, -1]),
        usage_type=st.sampled_from(["call", "call", "call", "fax"]),
        account_id=st.sampled_from(["acme", "other"]),
    ),
    st.sampled_from([None, b"garbage"]),
)


def test_a_worked_partition_adds_up() -> None:
    count, findings = audited(GOOD)
    assert (count.consumed, count.movements, count.duplicates, count.dead_letters) == (9, 3, 2, 4)
    assert (count.difference, findings.total) == (0, 0)


@given(st.lists(VALUES, max_size=40))
@settings(max_examples=30, deadline=None)
def test_whatever_the_rater_makes_of_events_adds_up(values: list[bytes | None]) -> None:
    count, findings = audited(rated(values, [RATE]))
    assert findings.found() == []
    assert (count.consumed, count.difference) == (len(values), 0)


@given(st.lists(VALUES, min_size=1, max_size=40), st.data())
@settings(max_examples=30, deadline=None)
def test_any_outcome_that_is_gone_doubled_or_given_to_another_event_is_found(
    values: list[bytes | None], data: st.DataObject
) -> None:
    good = rated(values, [RATE])
    spoiled = []
    if good.movements:
        at = data.draw(st.integers(0, len(good.movements) - 1))
        spoiled += [
            replace(good, movements=without(good.movements, at)),
            replace(good, movements=[*good.movements, good.movements[at]]),
            good.changed(at, source_offset=good.movements[at]["source_offset"] + 1),
            good.changed(at, interaction_id="another"),
        ]
    if good.letters:
        at = data.draw(st.integers(0, len(good.letters) - 1))
        offset, value = good.letters[at]
        spoiled += [
            replace(good, letters=without(good.letters, at)),
            replace(good, letters=[*good.letters, good.letters[at]]),
            replace(good, letters=[*without(good.letters, at), (offset, b"other bytes")]),
            replace(good, letters=[*without(good.letters, at), (offset + 1, value)]),
        ]
    assert [each for each in spoiled if not kinds(each)] == []


@pytest.mark.parametrize(
    ("spoiled", "found"),
    [
        # Its duplicates are of nothing, too.
        (replace(GOOD, movements=GOOD.movements[1:]), {"lost": 3}),
        (replace(GOOD, movements=GOOD.movements[:2]), {"lost": 1}),
        (replace(GOOD, letters=GOOD.letters[1:]), {"lost": 1}),
        (replace(GOOD, letters=without(GOOD.letters, 2)), {"false_duplicate": 1}),
        (replace(GOOD, movements=[*GOOD.movements, GOOD.movements[0]]), {"doubled": 1}),
        (replace(GOOD, letters=[*GOOD.letters, (0, event(1))]), {"doubled": 1}),
        (replace(GOOD, letters=[*GOOD.letters, GOOD.letters[0]]), {"doubled": 1}),
        (GOOD.changed(2, movement_id="ffffffff-ffff-4fff-8fff-ffffffffffff"), {"not_its_event": 1}),
        (GOOD.changed(0, quantity=62), {"not_its_event": 1, "false_duplicate": 2}),
        (GOOD.changed(0, source_offset=8), {"false_duplicate": 2}),
        (GOOD.changed(0, source_partition=1), {"no_source": 1, "false_duplicate": 1}),
        (GOOD.changed(2, source_topic="rates"), {"no_source": 1, "false_duplicate": 1}),
        (replace(GOOD, source=[*GOOD.source[:6], GAP, *GOOD.source[7:]]), {"no_source": 1}),
        (replace(GOOD, source=[*GOOD.source[:3], GAP, *GOOD.source[4:]]), {"no_source": 1}),
        (replace(GOOD, source=[event(1, quantity=62), *GOOD.source[1:]]), {"not_its_event": 1}),
        (replace(GOOD, source=[*GOOD.source[:3], b"rubbish", *GOOD.source[4:]]), {"altered_dead_letter": 1}),
    ],
)
def test_what_is_wrong_is_named(spoiled: Outcome, found: dict[str, int]) -> None:
    assert kinds(spoiled) == found


def test_events_that_retention_has_deleted_are_no_difference_and_still_prove_duplicates() -> None:
    count, findings = audited(replace(GOOD, first_offset=2))
    assert findings.total == 0
    assert (count.consumed, count.movements, count.duplicates, count.dead_letters) == (7, 1, 2, 4)


def test_what_is_found_is_counted_and_the_first_of_it_named() -> None:
    values: list[bytes | None] = [event(number) for number in range(20)]
    _, findings = audited(replace(rated(values, [RATE]), movements=[]))
    (told,) = findings.found()
    assert (told.count, [each.position for each in told.examples]) == (20, [f"usage-events/0@{n}" for n in range(5)])
    assert told.examples[0].id == "00000000-0000-4000-8000-000000000000"
