"""A store that is rebuilt from the log begins at the first offset that can still matter, and leaves no id out that does."""

import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_io.positions import TopicPartition
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS, topic_named
from streams.dedup.fingerprints import id_hashes
from streams.dedup.store import NOTHING_FORGOTTEN, DedupStore
from streams.events.table import EVENT_COLUMNS, STEADY_SOURCES
from tests.limits import LIMITS
from tests.unit.streams.kafka_double import KafkaDouble, RunningRater
from tests.unit.streams.test_outcome import DAY, NOW, adjustment, event, top_up

HOUR = DAY // 24
CREATED, APPENDED = 1, 2


@pytest.fixture
def kafka(tmp_path: Path) -> KafkaDouble:
    return KafkaDouble(tmp_path / "seen", NOW)


def rate_both(kafka: KafkaDouble, number: int, at: int, **limits: timedelta) -> RunningRater:
    """One event of each topic, recorded by the broker `at`, and rated then."""
    kafka.now_micros = at
    kafka.publish(USAGE_EVENTS, event(number, occurred_at=at), at, APPENDED)
    kafka.publish(TOP_UP_EVENTS, top_up(1000 + number, occurred_at=at), at, APPENDED)
    running = kafka.rater(limits=replace(LIMITS, **limits))
    running.catch_up()
    return running


def store_of(running: RunningRater) -> DedupStore:
    return running.rater._assignment.stores[0]


def lose_the_store(kafka: KafkaDouble, **limits: timedelta) -> RunningRater:
    shutil.rmtree(kafka.folder, ignore_errors=True)
    running = kafka.rater(limits=replace(LIMITS, **limits))
    running.turn()
    return running


def charged(kafka: KafkaDouble) -> Counter[str]:
    return Counter(line["movement_id"] for line in kafka.log)


def test_only_what_can_still_matter_is_read(kafka: KafkaDouble) -> None:
    for number, days in enumerate((400, 300, 38, 30, 1)):
        rate_both(kafka, number, NOW - days * DAY)
    store = store_of(lose_the_store(kafka))
    assert len(store) == 4
    assert store.forgotten_before == NOW - 36 * DAY


def test_an_id_that_can_still_matter_is_known_to_a_rebuilt_store(kafka: KafkaDouble) -> None:
    for number, days in enumerate((400, 30, 1)):
        rate_both(kafka, number, NOW - days * DAY)
    running = lose_the_store(kafka)
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 30 * DAY), NOW)
    kafka.publish(USAGE_EVENTS, event(0, occurred_at=NOW - 400 * DAY), NOW)
    running.catch_up()
    assert set(charged(kafka).values()) == {1}
    assert len(kafka.letters) == 1


def test_a_limit_that_is_raised_later_makes_it_read_further_back(kafka: KafkaDouble) -> None:
    for number, days in enumerate((400, 50, 38, 30, 1)):
        rate_both(kafka, number, NOW - days * DAY)
    lose_the_store(kafka).save()
    running = kafka.rater(limits=replace(LIMITS, max_age=timedelta(days=60)))
    running.turn()
    assert len(store_of(running)) == 8


def test_a_limit_that_was_higher_before_is_counted_in(kafka: KafkaDouble) -> None:
    """Events of five days ahead were once allowed, so their movements were written five days before they occurred."""
    kafka.now_micros = NOW - 40 * DAY
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 34 * DAY), NOW - 40 * DAY, APPENDED)
    kafka.rater(limits=replace(LIMITS, max_ahead=timedelta(days=7))).catch_up()
    rate_both(kafka, 2, NOW)
    running = lose_the_store(kafka)
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 34 * DAY), NOW)
    running.catch_up()
    assert set(charged(kafka).values()) == {1}


def test_a_rater_whose_clock_was_wrong_when_it_wrote_is_counted_in(kafka: KafkaDouble) -> None:
    kafka.now_micros = NOW - 90 * DAY
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 30 * DAY), NOW - 30 * DAY, APPENDED)
    kafka.rater().catch_up()
    rate_both(kafka, 2, NOW)
    running = lose_the_store(kafka)
    assert store_of(running).forgotten_before == NOTHING_FORGOTTEN
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 30 * DAY), NOW)
    running.catch_up()
    assert set(charged(kafka).values()) == {1}


def test_a_topic_that_lags_is_counted_back_from(kafka: KafkaDouble) -> None:
    rate_both(kafka, 1, NOW - 60 * DAY)
    kafka.now_micros = NOW
    kafka.publish(TOP_UP_EVENTS, top_up(2, occurred_at=NOW), NOW, APPENDED)
    kafka.rater().catch_up()
    assert len(store_of(lose_the_store(kafka))) == 3


def test_a_partition_that_never_sees_an_adjustment_forgets_all_the_same(kafka: KafkaDouble) -> None:
    rate_both(kafka, 1, NOW - 400 * DAY)
    kafka.publish(ADJUSTMENT_EVENTS, adjustment(5, occurred_at=NOW - 400 * DAY), NOW - 400 * DAY, APPENDED)
    kafka.rater().catch_up()
    rate_both(kafka, 2, NOW)
    store = store_of(lose_the_store(kafka))
    assert len(store) == 2
    assert store.forgotten_before == NOW - 35 * DAY


def test_an_adjustment_from_before_what_its_partition_remembers_is_refused(kafka: KafkaDouble) -> None:
    """By the newest record of its own topic it would not be too old."""
    kafka.now_micros = NOW - 100 * DAY
    kafka.publish(ADJUSTMENT_EVENTS, adjustment(5, occurred_at=NOW - 100 * DAY), NOW - 100 * DAY, APPENDED)
    rate_both(kafka, 1, NOW - 100 * DAY)
    rate_both(kafka, 2, NOW)
    running = lose_the_store(kafka)
    kafka.publish(ADJUSTMENT_EVENTS, adjustment(5, occurred_at=NOW - 100 * DAY), NOW - 99 * DAY, APPENDED)
    running.catch_up()
    assert set(charged(kafka).values()) == {1}
    [(reason, detail)] = kafka.letters.values()
    assert (reason, "before the ids that its partition remembers" in detail) == ("invalid_event", True)


@pytest.mark.parametrize("what", ["no notes", "a broker's times"])
def test_where_the_notes_do_not_say_enough_everything_is_read(kafka: KafkaDouble, what: str) -> None:
    kafka.keeps_notes = what != "no notes"
    kafka.stamps_the_log = what != "a broker's times"
    for number, days in enumerate((400, 30, 1)):
        rate_both(kafka, number, NOW - days * DAY)
    running = lose_the_store(kafka)
    assert len(store_of(running)) == 6


class Step(NamedTuple):
    """One event of each topic. Days: since the step before, by which the rater's clock is wrong, and the event older than its
    record."""

    passed: int
    wrong: int
    older: int
    top_up_lags: int
    kind: int
    max_ahead: int
    max_age: int
    adjusted: int | None


STEPS = st.lists(
    st.builds(
        Step,
        passed=st.sampled_from([0, 1, 5, 20, 36, 60]),
        wrong=st.sampled_from([0, 0, 0, -400, -50, -2, 2, 50, 400]),
        older=st.sampled_from([0, 0, 1, 20, 34, -1, -6]),
        top_up_lags=st.sampled_from([0, 0, 0, 3, 50]),
        kind=st.sampled_from([APPENDED, APPENDED, CREATED]),
        max_ahead=st.sampled_from([0, 0, 2, 7]),
        max_age=st.sampled_from([35, 35, 35, 20, 60]),
        adjusted=st.sampled_from([None, None, 0, 0, 20, 34, 50]),
    ),
    min_size=2,
    max_size=9,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, last_age=st.sampled_from([35, 35, 20, 60]))
def test_no_id_that_matters_is_left_out_whatever_clocks_lags_and_limits(steps: list[Step], last_age: int) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        kafka = KafkaDouble(folder / "seen", NOW)
        published, at = _rated(kafka, steps)
        kafka.now_micros = at
        running = lose_the_store(kafka, max_age=timedelta(days=last_age))
        newest = running.rater._assignment.newest_at
        oldest = min(newest[TopicPartition(topic.name, 0)] for topic in STEADY_SOURCES)
        matters = [line for line in kafka.log if line["occurred_at"] >= oldest - last_age * DAY]
        events = [published[line["movement_id"]] for line in matters]
        known, _ = store_of(running).look_up(id_hashes(pl.DataFrame(events, schema=EVENT_COLUMNS)))
        assert known.all()
        for record in published.values():
            kafka.publish(topic_named(record["source_topic"]), record, at, APPENDED)
        running.catch_up()
        assert set(charged(kafka).values()) <= {1}
    finally:
        shutil.rmtree(folder)


def _rated(kafka: KafkaDouble, steps: list[Step]) -> tuple[dict[str, dict[str, Any]], int]:
    published: dict[str, dict[str, Any]] = {}
    at = NOW - 400 * DAY
    for number, step in enumerate(steps):
        at += step.passed * DAY
        kafka.now_micros = at + step.wrong * DAY
        occurred_at, lagging = at - step.older * DAY, at - step.top_up_lags * DAY
        of_both = ((event(number, occurred_at=occurred_at), at), (top_up(1000 + number, occurred_at=lagging), lagging))
        of_step = of_both if step.adjusted is None else (*of_both, _adjusted(number, at, step.adjusted))
        for record, told in of_step:
            published[record["event_id"]] = record
            kafka.publish(topic_named(record["source_topic"]), record, told, step.kind)
        limits = replace(
            LIMITS, max_ahead=timedelta(days=step.max_ahead, hours=1), max_age=timedelta(days=step.max_age)
        )
        kafka.rater(limits=limits).catch_up()
    return published, at


def _adjusted(number: int, at: int, days_ago: int) -> tuple[dict[str, Any], int]:
    """Most partitions see none, and those of others lag or are ahead of all else."""
    return adjustment(2000 + number, occurred_at=at - days_ago * DAY), at - days_ago * DAY
