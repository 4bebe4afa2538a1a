"""Partitions whose logs are read back at any pace, in any order of crashes, aborts, rebalances and lost stores."""

import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas.topics import USAGE_EVENTS
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.test_one_by_one import ACCOUNTS, LONGEST_SECONDS
from tests.unit.streams.test_outcome import NOW, event
from tests.unit.streams.writer_double import CrashedError

PARTITIONS = st.sampled_from([0, 1])


class OneByOneMachine(RuleBasedStateMachine):
    """Every event is charged, and none twice."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.kafka = KafkaDouble(self.folder / "seen", NOW, partitions=2)
        self.kafka.waits_for_the_log = False
        self.published: set[str] = set()
        self.running = self.kafka.rater(batch_size=3)

    def teardown(self) -> None:
        if not hasattr(self, "kafka"):
            return
        for each in self.kafka.is_readable.values():
            each.set()
        self.kafka.next_commit = "commit"
        give_up_at = time.monotonic() + LONGEST_SECONDS
        while self.charged().keys() != self.published or self.is_behind():
            assert time.monotonic() < give_up_at
            try:
                self.running.turn()
            except CrashedError:  # of a batch that was still under way
                self.running = self.kafka.rater(batch_size=3)
        self.running.die()
        self.none_is_charged_twice()
        assert self.kafka.letters == {}
        shutil.rmtree(self.folder)

    def charged(self) -> Counter[str]:
        return Counter(line["movement_id"] for line in self.kafka.log)

    def is_behind(self) -> bool:
        ends = {partition: len(records) for partition, records in self.kafka.records.items()}
        return any(
            (committed := self.kafka.committed.get(partition)) is None or committed.offset < end
            for partition, end in ends.items()
        )

    @rule(numbers=st.lists(st.integers(0, 3), min_size=1, max_size=3), partition=PARTITIONS)
    def publish(self, numbers: list[int], partition: int) -> None:
        for number in numbers:
            record = event(10 * partition + number, account_id=ACCOUNTS[partition], partition=partition)
            self.kafka.publish(USAGE_EVENTS, record, NOW)
            self.published.add(record["event_id"])

    @rule(
        what=st.sampled_from(["commit", "commit", "commit", "abort", "crash before", "crash after"]),
        times=st.integers(1, 4),
    )
    def turn(self, what: str, times: int) -> None:
        self.kafka.next_commit = what
        try:
            for _ in range(times):
                self.running.turn(pauses=False)
        except CrashedError:
            self.running = self.kafka.rater(batch_size=3)

    def hold_up(self, partition: int) -> None:
        self.kafka.is_readable[partition].clear()

    @rule(partition=PARTITIONS, pause=st.sampled_from([0.0, 0.01]))
    def go_on(self, partition: int, pause: float) -> None:
        self.kafka.is_readable[partition].set()
        time.sleep(pause)

    @rule(lose_store=st.sampled_from([True, True, False]), hold_up=st.sets(PARTITIONS))
    def start_elsewhere(self, lose_store: bool, hold_up: set[int]) -> None:
        self.running.die()
        for partition in hold_up:
            self.hold_up(partition)
        if lose_store:
            shutil.rmtree(self.kafka.folder, ignore_errors=True)
        self.running = self.kafka.rater(batch_size=3)

    @rule()
    def rebalance(self) -> None:
        try:
            self.running.leave()
        except CrashedError:
            self.running = self.kafka.rater(batch_size=3)
        else:
            self.running.come_back()

    @invariant()
    def none_is_charged_twice(self) -> None:
        if hasattr(self, "kafka"):
            assert set(self.charged().values()) <= {1}


TestOneByOneMachine = OneByOneMachine.TestCase
TestOneByOneMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
