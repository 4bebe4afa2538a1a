"""No clock of a publisher makes the rater charge twice, or charge what lies in the future or too far back."""

import shutil
import tempfile
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kafka_io.positions import TopicPartition
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS
from streams.dedup import catch_up
from streams.watches.clock import ClockBehindError
from tests.limits import LIMITS
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.test_outcome import DAY, NOW, event, top_up
from tests.unit.streams.writer_double import CrashedError

HOUR = DAY // 24
APPENDED, CREATED = 2, 1


@pytest.fixture(params=[True, False], ids=["notes kept", "notes lost"])
def kafka(tmp_path: Path, request: pytest.FixtureRequest) -> KafkaDouble:
    return KafkaDouble(tmp_path / "seen", NOW, keeps_notes=request.param)


def charged(kafka: KafkaDouble) -> list[int]:
    return [int(line["movement_id"][-12:], 16) for line in kafka.log]


def refused(kafka: KafkaDouble) -> list[str]:
    return [f"{reason}: {detail}" for reason, detail in kafka.letters.values()]


def test_records_from_the_future_make_it_forget_nothing_and_are_refused(kafka: KafkaDouble) -> None:
    first = event(1, occurred_at=NOW - HOUR)
    kafka.publish(USAGE_EVENTS, first, NOW - HOUR)
    kafka.rater().catch_up()
    ahead = 400 * DAY
    kafka.publish(USAGE_EVENTS, event(2, occurred_at=NOW + ahead), NOW + ahead)
    kafka.publish(TOP_UP_EVENTS, top_up(3, occurred_at=NOW + ahead), NOW + ahead)
    kafka.publish(USAGE_EVENTS, first, NOW)
    running = kafka.rater()
    running.catch_up()
    running.save()
    kafka.publish(USAGE_EVENTS, first, NOW)
    kafka.rater().catch_up()
    assert charged(kafka) == [1]
    assert len(refused(kafka)) == 2
    assert all("lies too far after its record's" in each for each in refused(kafka))


def test_an_old_event_stamped_with_its_own_time_is_refused_by_what_is_newer(kafka: KafkaDouble) -> None:
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW), NOW)
    for _ in range(2):
        kafka.publish(USAGE_EVENTS, event(2, occurred_at=NOW - 60 * DAY), NOW - 60 * DAY)
        kafka.rater().catch_up()
    assert charged(kafka) == [1]
    assert len(refused(kafka)) == 2
    assert all("before the newest record of its partition" in each for each in refused(kafka))


@pytest.mark.parametrize("lost", [False, True], ids=["store kept", "store lost"])
def test_an_old_event_that_comes_first_after_a_restart_is_refused_all_the_same(kafka: KafkaDouble, lost: bool) -> None:
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW), NOW)
    running = kafka.rater()
    running.catch_up()
    running.save()
    if lost:
        shutil.rmtree(kafka.folder)
    kafka.publish(USAGE_EVENTS, event(2, occurred_at=NOW - 60 * DAY), NOW - 60 * DAY)
    kafka.rater().catch_up()
    assert charged(kafka) == [1]


def test_what_may_be_forgotten_is_refused_where_nobody_knows_any_more_how_new_the_newest_was(
    kafka: KafkaDouble,
) -> None:
    kafka.keeps_notes = False
    for topic, make, number in ((USAGE_EVENTS, event, 1), (TOP_UP_EVENTS, top_up, 2)):
        kafka.publish(topic, make(number, occurred_at=NOW - 60 * DAY), NOW - 60 * DAY)
    kafka.rater().catch_up()
    for topic, make, number in ((USAGE_EVENTS, event, 3), (TOP_UP_EVENTS, top_up, 4)):
        kafka.publish(topic, make(number, occurred_at=NOW), NOW)
    running = kafka.rater()
    running.catch_up()
    running.save()
    kafka.delete_rated_records()
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 60 * DAY), NOW - 60 * DAY)
    kafka.rater().catch_up()
    assert sorted(charged(kafka)) == [1, 2, 3, 4]
    assert ["before the ids that its partition remembers" in each for each in refused(kafka)] == [True]


def test_a_lagging_topic_keeps_the_ids_of_both(kafka: KafkaDouble) -> None:
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 36 * DAY), NOW - 36 * DAY)
    kafka.rater().catch_up()
    kafka.publish(TOP_UP_EVENTS, top_up(3, occurred_at=NOW), NOW)
    running = kafka.rater()
    running.catch_up()
    running.save()
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 36 * DAY), NOW - 35 * DAY)
    kafka.rater().catch_up()
    assert charged(kafka) == [1, 3]
    assert refused(kafka) == []


def test_a_brokers_clock_is_believed_over_ours(kafka: KafkaDouble) -> None:
    """So a slow clock of ours refuses nobody."""
    kafka.now_micros = NOW - 5 * HOUR
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW), NOW, kind=APPENDED)
    kafka.rater().catch_up()
    assert charged(kafka) == [1]


def test_a_clock_of_ours_that_lags_publishers_ends_the_rater_before_it_refuses_anything(kafka: KafkaDouble) -> None:
    kafka.now_micros = NOW - 5 * HOUR
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW), NOW)
    with pytest.raises(ClockBehindError, match="this machine's clock is 5:00:00 behind the schema registry's"):
        kafka.rater(behind=lambda: timedelta(hours=5)).catch_up()
    assert (charged(kafka), refused(kafka)) == ([], [])


def test_another_clock_is_asked_though_kafkas_was_told_to_be_ahead_a_moment_ago(kafka: KafkaDouble) -> None:
    """One topic may have the broker's timestamps and the other its publishers'."""
    kafka.now_micros = NOW - 5 * HOUR
    running = kafka.rater(behind=lambda: timedelta(hours=5))
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW), NOW, kind=APPENDED)
    running.catch_up()
    kafka.publish(TOP_UP_EVENTS, top_up(2, occurred_at=NOW), NOW)
    with pytest.raises(ClockBehindError):
        running.catch_up()
    assert (charged(kafka), refused(kafka)) == ([1], [])


def test_a_publisher_that_is_ahead_ends_nobody(kafka: KafkaDouble) -> None:
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW + 5 * HOUR), NOW + 5 * HOUR)
    kafka.publish(USAGE_EVENTS, event(2, occurred_at=NOW), NOW)
    kafka.rater(behind=lambda: timedelta(seconds=1)).catch_up()
    assert charged(kafka) == [2]


def test_what_an_hour_ago_could_be_refused_for_its_age_may_not_come_in_when_the_limit_is_raised(
    kafka: KafkaDouble,
) -> None:
    """The id of an event of 40 days ago is forgotten: a rater that takes events of 60 days must know it again first."""
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 40 * DAY), NOW - 40 * DAY)
    kafka.publish(TOP_UP_EVENTS, top_up(2, occurred_at=NOW - 40 * DAY), NOW - 40 * DAY)
    kafka.rater().catch_up()
    kafka.publish(USAGE_EVENTS, event(3, occurred_at=NOW), NOW)
    kafka.publish(TOP_UP_EVENTS, top_up(4, occurred_at=NOW), NOW)
    running = kafka.rater()
    running.catch_up()
    running.save()
    assert running.rater._assignment.stores[0].forgotten_before > NOW - 40 * DAY
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW - 40 * DAY), NOW)
    kafka.publish(USAGE_EVENTS, event(5, occurred_at=NOW - 40 * DAY), NOW)
    kafka.rater(limits=replace(LIMITS, max_age=timedelta(days=60))).catch_up()
    assert sorted(charged(kafka)) == [1, 2, 3, 4, 5]


def test_an_id_that_is_forgotten_is_free_for_another_event(kafka: KafkaDouble) -> None:
    """Its event would be refused, so it cannot be charged again."""
    old = event(1, occurred_at=NOW - 36 * DAY)
    kafka.publish(USAGE_EVENTS, old, NOW - 35 * DAY)
    kafka.rater().catch_up()
    for topic, make, number in ((USAGE_EVENTS, event, 2), (TOP_UP_EVENTS, top_up, 3)):
        kafka.publish(topic, make(number, occurred_at=NOW), NOW)
    running = kafka.rater()
    running.catch_up()
    running.save()
    kafka.publish(USAGE_EVENTS, old, NOW)
    kafka.publish(USAGE_EVENTS, event(1, occurred_at=NOW), NOW)
    kafka.rater().catch_up()
    assert sorted(charged(kafka)) == [1, 1, 2, 3]
    assert len(refused(kafka)) == 1


SPANS = st.sampled_from([0, 1, HOUR, DAY, 34 * DAY, 35 * DAY, 36 * DAY, 60 * DAY, 400 * DAY])
MAX_AGES = [35, 35, 35, 20, 60]
SHIFTS = st.builds(lambda span, sign: span * sign, SPANS, st.sampled_from([-1, 1]))


class ClockMachine(RuleBasedStateMachine):
    """Any timestamps of publishers and brokers, any clock of the machine that rates, any order of crashes, restarts and lost
    stores: no event is ever charged twice, no id within its time, and each event ends as exactly one thing."""

    @initialize(keeps_notes=st.booleans(), tail=st.sampled_from([1, 2, catch_up.TAIL]))
    def begin(self, keeps_notes: bool, tail: int) -> None:
        self.patch = pytest.MonkeyPatch()
        # So short that the newest record is often not among them.
        self.patch.setattr(catch_up, "TAIL", tail)
        self.folder = Path(tempfile.mkdtemp())
        self.kafka = KafkaDouble(self.folder / "seen", NOW, keeps_notes)
        self.published: dict[TopicPartition, list[dict[str, Any]]] = {
            topic_partition: [] for topic_partition in self.kafka.records
        }
        self.newest, self.latest_clock = {APPENDED: NOW, CREATED: NOW}, NOW
        self.running = self.kafka.rater(batch_size=4)

    def teardown(self) -> None:
        if not hasattr(self, "kafka"):
            return
        try:
            self.all_is_well_in_the_end()
        finally:
            self.patch.undo()

    def all_is_well_in_the_end(self) -> None:
        self.kafka.next_commit = "commit"
        try:
            self.running.catch_up()
        except CrashedError:  # of a batch that was still under way
            self.running = self.kafka.rater(batch_size=4)
            self.running.catch_up()
        self.no_id_is_charged_twice()
        moved = {(line["source_topic"], line["source_offset"]): line["movement_id"] for line in self.kafka.log}
        ids = set(moved.values())
        for topic_partition, events in self.published.items():
            for offset, each in enumerate(events):
                outcomes = [(topic_partition.topic, offset) in moved, (topic_partition, offset) in self.kafka.letters]
                assert outcomes.count(True) == (0 if each["event_id"] in ids and not any(outcomes) else 1)
        if self.kafka.keeps_notes:
            assert not any("remembers" in detail for _, detail in self.kafka.letters.values())
        shutil.rmtree(self.folder)

    @rule(
        number=st.integers(0, 5), occurred=SHIFTS, told=SHIFTS, kind=st.sampled_from([CREATED, CREATED, APPENDED]),
        is_top_up=st.booleans(),
    )  # fmt: skip
    def publish(self, number: int, occurred: int, told: int, kind: int, is_top_up: bool) -> None:
        topic = TOP_UP_EVENTS if is_top_up else USAGE_EVENTS
        record = (top_up if is_top_up else event)(number, occurred_at=NOW + occurred)
        # A broker's clock may be wrong too, but is nobody's who publishes.
        timestamp = NOW + (told if kind == CREATED else min(told, DAY))
        self.newest[kind] = max(self.newest[kind], timestamp)
        self.kafka.publish(topic, record, timestamp, kind)
        self.published[TopicPartition(topic.name, 0)].append(record)

    @rule(what=st.sampled_from(["commit", "commit", "abort", "crash before", "crash after"]), pauses=st.booleans())
    def turn(self, what: str, pauses: bool) -> None:
        self.kafka.next_commit = what
        try:
            self.running.turn(pauses=pauses)
        except CrashedError:
            self.running = self.kafka.rater(batch_size=4)

    @rule(
        clock=SHIFTS, lose_store=st.sampled_from([False, False, True]), in_order=st.booleans(),
        days=st.sampled_from(MAX_AGES),
    )  # fmt: skip
    def start_elsewhere(self, clock: int, lose_store: bool, in_order: bool, days: int) -> None:
        if in_order:
            self.running.save()
        if lose_store:
            shutil.rmtree(self.kafka.folder, ignore_errors=True)
        self.kafka.now_micros = NOW + clock
        self.latest_clock = max(self.latest_clock, NOW + clock)
        self.running = self.kafka.rater(batch_size=4, limits=replace(LIMITS, max_age=timedelta(days=days)))

    @rule()
    def delete_old_records(self) -> None:
        self.kafka.delete_rated_records()

    @rule()
    def save(self) -> None:
        self.running.save()

    @rule()
    def rebalance(self) -> None:
        try:
            self.running.leave()
        except CrashedError:
            self.running = self.kafka.rater(batch_size=4)
        else:
            self.running.come_back()

    @invariant()
    def no_id_is_charged_twice(self) -> None:
        """Except by another event, when the one that had it is so old that it would be refused itself."""
        if hasattr(self, "kafka"):
            # A publisher's time counts up to the clock of who reads it.
            newest = max(self.newest[APPENDED], min(self.newest[CREATED], self.latest_clock))
            charged_at = defaultdict(list)
            for line in self.kafka.log:
                occurred_at = line["occurred_at"]
                earlier = charged_at[line["movement_id"]]
                assert all(each != occurred_at and each < newest - min(MAX_AGES) * DAY for each in earlier)
                earlier.append(occurred_at)


TestClockMachine = ClockMachine.TestCase
TestClockMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
