"""Rounds that begin where the last one ended find what a full audit finds, whatever happens and whenever they are made."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.credit_movements.audit.history import LOG, USAGE, History
from tests.unit.credit_movements.audit.spoiled import rated
from tests.unit.credit_movements.audit.test_accounts import NOW, RATE, VALUES, event

NOBODY = "ffffffff-ffff-4fff-8fff-ffffffffffff"


class Working:
    """A rater and a sink at work on the events of a history; each `fault` spoils the next outcome or row."""

    def __init__(self, values: list[bytes | None]) -> None:
        self.history = History([RATE])
        self._outcome = rated(values, [RATE])
        self._moved = {each["source_offset"]: each for each in self._outcome.movements}
        self._refused = dict(self._outcome.letters)
        for value in values:
            self.history.publish(value)

    def rate(self, count: int, letters_first: bool, fault: str, gap: int) -> None:
        history = self.history
        begin, end = history.committed, min(history.committed + count, history.end(USAGE))
        order = list(range(begin, end))
        for offset in order:
            if offset in self._moved:
                self._move(self._moved[offset], fault, gap)
                fault = ""
        # Within a transaction the dead letters stand in no order.
        for offset in order[::-1] if letters_first else order:
            if offset in self._refused:
                self._refuse(offset, fault)
                fault = ""
        history.committed = end

    def sink(self, count: int, fault: str) -> None:
        history = self.history
        before, end = history.stored, min(history.stored + count, history.end(LOG))
        history.store(end)
        new = [offset for offset in history.rows if offset >= before]
        self.spoil_row(new[0] if new else None, fault)

    def spoil_row(self, offset: int | None, fault: str) -> None:
        rows = self.history.rows
        match fault:
            case "row lost" if offset is not None:
                del rows[offset]
            case "row changed" if offset is not None:
                rows[offset] = [{**rows[offset][0], "user_id": "somebody"}]
            case "row too many" if offset is not None:
                rows[offset] = [*rows[offset], {**rows[offset][0], "movement_id": NOBODY}]

    def _move(self, movement: dict[str, Any], fault: str, gap: int) -> None:
        match fault:
            case "lost":
                return
            case "doubled":
                self.history.move(movement)
            case "changed":
                movement = {**movement, "interaction_id": "another"}
            case "wrong amount":
                movement = {**movement, "credit_movement_nanos": movement["credit_movement_nanos"] - 1}
            case "late" if self.history.end(LOG):
                self.history.move(self.history.movement(int(self.history.topics[LOG][0].offset() or 0)))
        self.history.move(movement, gap)

    def _refuse(self, offset: int, fault: str) -> None:
        match fault:
            case "lost":
                return
            case "doubled":
                self.history.refuse(offset, self._refused[offset])
            case "changed":
                self.history.refuse(offset, b"other bytes")
                return
        self.history.refuse(offset, self._refused[offset])


OUTCOME_FAULTS = st.sampled_from(["lost", "doubled", "changed", "wrong amount", "late"])
ROW_FAULTS = st.sampled_from(["row lost", "row changed", "row too many"])
SOMETIMES = st.integers(0, 9).map(lambda number: number == 0)
COUNTS = st.integers(0, 12)
STEPS = st.lists(
    st.tuples(
        COUNTS, st.booleans(), SOMETIMES, OUTCOME_FAULTS, st.integers(0, 2), COUNTS, SOMETIMES, ROW_FAULTS, SOMETIMES
    ),
    min_size=1,
    max_size=8,
)


@given(st.lists(VALUES, min_size=1, max_size=60), STEPS, st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_rounds_find_what_a_full_audit_finds(values: list[bytes | None], steps: list[Any], seed: int) -> None:
    working = Working(values)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as nowhere:
        for number, (rate, letters_first, spoil, fault, gap, sink, spoil_row, row_fault, spoil_old) in enumerate(steps):
            working.rate(rate, letters_first, fault if spoil else "", gap)
            working.sink(sink, row_fault if spoil_row else "")
            if spoil_old:
                # One that an earlier round has proved, maybe.
                working.spoil_row(min(working.history.rows, default=None), row_fault)
            now = working.history.audit(Path(folder), seed + number)
            full = working.history.audit(Path(nowhere), full=True)
            assert now.holds == full.holds, (now.differences, full.differences)
            if full.holds:
                totals = [(each.consumed, each.movements, each.duplicates, each.dead_letters) for each in now.sources]
                assert totals == [
                    (each.consumed, each.movements, each.duplicates, each.dead_letters) for each in full.sources
                ]
                assert [(each.rows, each.log_sums, each.row_sums, each.log_checksum) for each in now.logs] == [
                    (each.rows, each.log_sums, each.row_sums, each.log_checksum) for each in full.logs
                ]


EVENTS: list[bytes | None] = [event(1), event(2), b"garbage", event(1), event(3), event(2), event(4), event(3)]


def proved(folder: Path, events: int = 5) -> Working:
    """A history of which the first events are proved."""
    working = Working(EVENTS)
    working.rate(events, False, "", 0)
    working.sink(100, "")
    assert working.history.audit(folder).holds
    return working


def go_on(working: Working) -> None:
    working.rate(100, False, "", 0)
    working.sink(100, "")


def test_a_round_proves_what_is_new_and_takes_the_rest_from_the_checkpoint(tmp_path: Path) -> None:
    working = proved(tmp_path)
    go_on(working)
    audit = working.history.audit(tmp_path)
    assert audit.holds
    assert (audit.consumed, audit.proved_before) == (8, 5)
    assert next((each.movements, each.duplicates, each.dead_letters) for each in audit.sources) == (4, 3, 1)
    assert [(each.movements, each.proved_before) for each in audit.logs] == [(4, 3)]
    assert [(each.partition, each.movements) for each in audit.sampled] == [(0, 3)]
    full = working.history.audit(tmp_path, full=True)
    assert (full.consumed, full.proved_before) == (8, 0)


def test_a_duplicate_of_what_was_proved_and_has_left_its_topic_is_none_that_is_lost(tmp_path: Path) -> None:
    working = proved(tmp_path)
    working.history.first_offset = 5
    go_on(working)
    audit = working.history.audit(tmp_path)
    assert audit.holds
    assert audit.consumed == 8


def test_a_difference_is_told_until_it_is_gone(tmp_path: Path) -> None:
    working = proved(tmp_path)
    go_on(working)
    lost = working.history.rows.pop(max(working.history.rows))
    for _ in range(3):
        assert {each.kind.value: each.count for each in working.history.audit(tmp_path).differences} == {
            "missing_row": 1
        }
    working.history.rows[working.history.end(LOG) - 1] = lost
    assert working.history.audit(tmp_path).holds


def test_an_event_that_was_lost_is_told_in_every_round(tmp_path: Path) -> None:
    working = proved(tmp_path)
    working.rate(100, False, "lost", 0)
    for _ in range(3):
        audit = working.history.audit(tmp_path)
        assert {each.kind.value: each.count for each in audit.differences} == {"lost": 1}
        working.history.publish(event(100 + working.history.end(USAGE)))


@pytest.mark.parametrize("fault", ["row lost", "row changed", "row too many"])
def test_a_row_that_was_spoiled_after_it_was_proved_is_found(tmp_path: Path, fault: str) -> None:
    working = proved(tmp_path)
    working.spoil_row(0, fault)
    for _ in range(2):
        audit = working.history.audit(tmp_path)
        assert not audit.holds
        assert audit.full_at is None


def test_an_outcome_that_comes_after_its_event_was_proved_is_one_too_many(tmp_path: Path) -> None:
    working = proved(tmp_path)
    working.history.refuse(2, b"garbage")
    movement = working.history.movement(0)
    working.history.move({**movement, "movement_id": NOBODY, "source_offset": 3})
    assert [(each.kind.value, each.count) for each in working.history.audit(tmp_path).differences] == [("doubled", 2)]


DAY = 86_400 * 10**6


def of_old(number: int, offset: int) -> dict[str, Any]:
    """The movement of an event of three months ago."""
    (movement,) = rated([event(number)], [RATE]).movements
    return {**movement, "occurred_at": NOW - 90 * DAY, "source_offset": offset}


def paid(folder: Path) -> Working:
    """A history with a movement of three months ago, and events of both topics of yesterday, all proved in two rounds."""
    working = Working([event(0, occurred_at=NOW - 90 * DAY), *EVENTS])
    # A rater refuses it now. Three months ago it was new.
    del working._refused[0]
    working._moved[0] = of_old(0, 0)
    top_up = {
        "event_id": NOBODY, "account_id": "acme", "interaction_id": "paid", "amount_nanos": 10**9, "currency": "EUR",
        "occurred_at": NOW - DAY,
    }  # fmt: skip
    made = {
        "movement_id": NOBODY, "account_id": "acme", "interaction_id": "paid", "description": "top-up",
        "occurred_at": NOW - DAY, "quantity": 0, "unit": "", "units_charged": 0, "price_nanos": 0, "price_units": 1,
        "credit_movement_nanos": 10**9, "currency": "EUR", "user_id": None, "destination": None, "rate_card_id": "default",
        "destination_prefix": None, "rate_effective_from": None, "source_partition": 0,
    }  # fmt: skip
    working.history.pay(top_up, made)
    working.rate(6, False, "", 0)
    working.sink(100, "")
    assert working.history.audit(folder).holds
    go_on(working)
    audit = working.history.audit(folder)
    assert (audit.holds, audit.proved_before) == (True, 7)
    return working


@pytest.mark.parametrize("seed", range(3))
def test_a_new_row_that_occurred_when_no_new_one_can_is_found_in_time(tmp_path: Path, seed: int) -> None:
    working = paid(tmp_path)
    rows = working.history.rows
    rows[10_000] = [{**rows[0][0], "movement_id": NOBODY, "occurred_at": NOW - 90 * DAY}]
    audit = working.history.audit(tmp_path, seed)
    assert [(each.kind.value, each.count) for each in audit.differences] == [("surplus_row", 1)]


def test_a_movement_that_occurred_when_no_new_one_can_is_not_taken_for_one_without_a_row(tmp_path: Path) -> None:
    working = paid(tmp_path)
    working.history.publish(event(77, occurred_at=NOW - 90 * DAY))
    working.history.move(of_old(77, working.history.end(USAGE) - 1))
    working.history.committed = working.history.end(USAGE)
    working.sink(100, "")
    assert working.history.audit(tmp_path).differences == []
