"""What became of each record with an id."""

from typing import Any

import pytest

from credit_movements.dead_letters.letter import Letter
from credit_movements.explain.explanation import Fate, Place, Record
from credit_movements.explain.fates import fates
from kafka_io.positions import TopicPartition
from schemas.dead_letters import Reason

USAGE = TopicPartition("usage-events", 0)
OWN = Record(Place(USAGE, 1), 10, {}, b"same")


def copy_at(offset: int, value: bytes = b"same") -> Record:
    return Record(Place(USAGE, offset), 20, {}, value)


def letter_of(record: Record, reason: str) -> Letter:
    place = record.place
    letters = TopicPartition("usage-events.dlq", 0)
    return Letter(letters, 5, 30, reason, "its detail", place.partition, place.offset, None, record.value, [])


def found(*records: Record, letters: Any = (), own: Record | None = OWN, until: int = 100) -> list[tuple[Fate, str]]:
    copies = fates(records, letters, own, {USAGE: until}, lambda one, other: one.value == other.value)
    return [(each.fate, each.why) for each in copies]


def test_a_copy_with_the_same_content_is_a_duplicate_of_the_event() -> None:
    assert found(OWN, copy_at(3)) == [
        (Fate.DUPLICATE, "dropped: the same event as usage-events/0@1, which was charged once")
    ]


def test_a_dead_letter_says_what_to_do() -> None:
    other = copy_at(3, b"other")
    ((fate, why),) = found(other, letters=[(letter_of(other, "conflict"), other)])
    assert fate is Fate.DEAD_LETTER
    assert "conflict with usage-events/0@1" in why
    assert "What to do: " in why


@pytest.mark.parametrize("reason", [*Reason, "of a later version"])
def test_every_reason_has_something_to_do(reason: str) -> None:
    other = copy_at(3)
    ((_, why),) = found(letters=[(letter_of(other, reason), other)], own=None)
    assert "{" not in why
    assert why.split("What to do: ")[1]


def test_what_the_raters_have_not_come_to_waits() -> None:
    assert [fate for fate, _ in found(copy_at(3), until=3)] == [Fate.WAITING]
    assert [fate for fate, _ in found(copy_at(3), own=None, until=3)] == [Fate.WAITING]


def test_what_cannot_be_told_is_said_to_be_so() -> None:
    assert [fate for fate, _ in found(copy_at(3, b"other"))] == [Fate.UNKNOWN]
    assert [fate for fate, _ in found(copy_at(3), own=None)] == [Fate.UNKNOWN]
