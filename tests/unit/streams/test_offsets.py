"""The notes of committed offsets: what one rater writes, the next one reads, also one of another version."""

from typing import Any, cast

import pytest

from kafka_io.offsets import OffsetAndNote
from kafka_io.positions import TopicPartition
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS
from streams.missing_offsets import MissingOffsets
from streams.offsets import Offsets

USAGE, TOP_UPS = (TopicPartition(topic.name, 3) for topic in (USAGE_EVENTS, TOP_UP_EVENTS))
ORIGINS = {USAGE_EVENTS.name: "usage-events a of 12, credit-movements b", TOP_UP_EVENTS.name: "top-up-events c of 12"}


@pytest.fixture
def offsets() -> Offsets:
    return Offsets(cast(Any, None), ORIGINS, MissingOffsets.STOP, "CREDIT_A=1, CREDIT_B=two; three")


def test_what_is_noted_is_read(offsets: Offsets) -> None:
    noted = offsets.to_commit({USAGE: 7, TOP_UPS: 8}, {USAGE: 1000, TOP_UPS: 900}, {3: 5})
    assert offsets.newest_at(noted) == {USAGE: 1000, TOP_UPS: 900}
    assert offsets.log_behind(noted) == {3: 5}
    assert offsets.misplaced(noted) == {}


def test_the_further_of_both_notes_counts(offsets: Offsets) -> None:
    noted = offsets.to_commit({USAGE: 7}, {}, {3: 5}) | offsets.to_commit({TOP_UPS: 8}, {}, {3: 70})
    assert offsets.log_behind(noted) == {3: 70}


@pytest.mark.parametrize(
    "other",
    [
        None,
        OffsetAndNote(8, ""),
        OffsetAndNote(8, f"{ORIGINS[TOP_UP_EVENTS.name]}; newest record 900; rated with CREDIT_A=1"),
        OffsetAndNote(8, "top-up-events made before; newest record 900; log behind 5; rated with CREDIT_A=1"),
    ],
    ids=["none", "lost", "of an earlier version", "about another topic"],
)
def test_how_far_the_log_is_behind_counts_only_where_both_topics_notes_say_it(
    offsets: Offsets, other: OffsetAndNote | None
) -> None:
    noted = offsets.to_commit({USAGE: 7}, {USAGE: 1000}, {3: 5})
    assert offsets.log_behind({**noted, TOP_UPS: other}) == {}


def test_a_note_of_an_earlier_version_still_says_how_new_the_newest_record_was(offsets: Offsets) -> None:
    note = f"{ORIGINS[USAGE_EVENTS.name]}; newest record 900; rated with CREDIT_A=1"
    assert offsets.newest_at({USAGE: OffsetAndNote(8, note)}) == {USAGE: 900}
