"""Whatever happens to a watch, each alert is told once: histories of crashes, aborts, lost files, offsets set back."""

import shutil
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kafka_io.offsets import OffsetAndNote
from streams.alerts.judging.judge import Judge
from tests.unit.streams.alerts.judging.test_judge import UNIT, judged, movement
from tests.unit.streams.alerts.watch_double import LOG_ID, MAX_AGE, CrashedError, WatchDouble

DAY_MICROS = timedelta(days=1) // timedelta(microseconds=1)
# What goes on in an account, and by how much it moves its balance.
STEPS = st.sampled_from([40, 15, -15, -40, -3])


@pytest.fixture
def kafka(tmp_path: Path) -> WatchDouble:
    return WatchDouble(tmp_path / "watch")


def falls(*numbers: int) -> list[dict[str, Any]]:
    """So many accounts, each of which has credit and then falls below the threshold."""
    return [
        movement(2 * number + kind, 0, 8, amount * UNIT, account_id=f"acct-{number}")
        for number in numbers
        for kind, amount in enumerate((20, -15))
    ]


def accounts_told(kafka: WatchDouble) -> Counter[str]:
    return Counter(alert.account_id for alert in kafka.alerts)


def each_once(*numbers: int) -> Counter[str]:
    return Counter(f"acct-{number}" for number in numbers)


@pytest.mark.parametrize("loses_files", [False, True])
@pytest.mark.parametrize("loses_offsets", [False, True])
def test_a_watch_that_is_started_anew_tells_what_is_new_and_nothing_else(
    kafka: WatchDouble, loses_files: bool, loses_offsets: bool
) -> None:
    first = kafka.watch()
    kafka.publish(*falls(*range(5)))
    first.turn()
    first.stop()
    if loses_files:
        shutil.rmtree(kafka.folder)
    if loses_offsets:
        kafka.committed = None
    kafka.publish(*falls(*range(5, 8)))
    kafka.watch().turn()
    assert accounts_told(kafka) == each_once(*range(8))


def test_what_a_restarted_watch_did_not_see_happen_counts_in_its_balances(kafka: WatchDouble) -> None:
    first = kafka.watch()
    kafka.publish(movement(0, 0, 8, 20 * UNIT))
    first.turn()
    kafka.publish(movement(1, 0, 9, -15 * UNIT))
    # Without a file: the first one was killed.
    kafka.watch().turn()
    assert [alert.balance_nanos for alert in kafka.alerts] == [5 * UNIT]


@pytest.mark.parametrize("how", ["abort", "crash before", "crash after"])
def test_alerts_and_offsets_are_committed_together(kafka: WatchDouble, how: str) -> None:
    watch = kafka.watch()
    kafka.publish(*falls(1, 2))
    kafka.next_commit = how
    try:
        watch.turn()
        watch.turn()
    except CrashedError:
        kafka.watch().turn()
    assert accounts_told(kafka) == each_once(1, 2)
    assert kafka.committed == OffsetAndNote(4, LOG_ID)


@pytest.mark.parametrize("how", ["abort", "crash before", "crash after"])
def test_wrong_settings_are_dead_letters_once(kafka: WatchDouble, how: str) -> None:
    watch, other = kafka.watch(), None
    kafka.publish_wrong_settings()
    kafka.publish_wrong_settings()
    kafka.next_commit = how
    try:
        watch.turn()
    except CrashedError:
        other = kafka.watch()
    kafka.publish_wrong_settings()
    (other or watch).turn()
    (other or watch).turn()
    kafka.watch().turn()
    assert kafka.letters == [0, 1, 2]


def test_alerts_of_an_aborted_commit_are_told_when_the_partition_comes_back(kafka: WatchDouble) -> None:
    """The judge has seen the movements, in memory; the group's offset lies before them."""
    watch = kafka.watch()
    kafka.publish(*falls(1, 2))
    kafka.next_commit = "abort"
    watch.turn()
    kafka.next_commit = "abort"
    watch.stop()
    watch.begin()
    watch.turn()
    assert accounts_told(kafka) == each_once(1, 2)


def test_a_watch_that_lost_its_partition_tells_nothing_any_more(kafka: WatchDouble) -> None:
    lost, other = kafka.watch(), kafka.watch()
    kafka.publish(*falls(1, 2))
    lost.turn()
    assert kafka.alerts == []
    other.turn()
    lost.turn()
    lost.stop()
    assert accounts_told(kafka) == each_once(1, 2)


def test_what_happened_long_ago_is_not_told_and_counts(kafka: WatchDouble) -> None:
    kafka.publish(*falls(1), movement(10, 0, 8, 20 * UNIT, account_id="acct-2"))
    kafka.now_micros += MAX_AGE // timedelta(microseconds=1) + DAY_MICROS
    kafka.publish(movement(11, 4, 8, -15 * UNIT, account_id="acct-2"))
    kafka.watch().turn()
    assert accounts_told(kafka) == each_once(2)


def test_offsets_of_another_log_say_nothing(kafka: WatchDouble) -> None:
    kafka.committed = OffsetAndNote(3, "the log before it was made anew")
    kafka.publish(*falls(1, 2))
    kafka.watch().turn()
    assert accounts_told(kafka) == each_once(1, 2)


def test_a_file_that_is_torn_or_of_another_log_is_left_out(kafka: WatchDouble) -> None:
    first = kafka.watch()
    kafka.publish(*falls(1), movement(10, 0, 8, 20 * UNIT, account_id="acct-2"))
    first.turn()
    first.stop()
    file = kafka.folder / "0.npz"
    whole = file.read_bytes()
    for number, spoiled in enumerate(
        (whole[:-40], whole.replace(b"the log", b"a log!!"), b"", whole[:200] + b"x" + whole[201:])
    ):
        file.write_bytes(spoiled)
        kafka.publish(movement(20 + 2 * number, 0, 8, -15 * UNIT, account_id="acct-2"))
        kafka.watch().turn()
        kafka.publish(movement(21 + 2 * number, 0, 8, 15 * UNIT, account_id="acct-2"))
        assert accounts_told(kafka)["acct-2"] == 1 + number


class ToldOnceMachine(RuleBasedStateMachine):
    """What is told is what one judge says who reads the whole log, each alert once."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(mkdtemp())
        self.kafka = WatchDouble(self.folder / "watch")
        self.movements: list[dict[str, Any]] = []
        self.running = self.kafka.watch()

    def teardown(self) -> None:
        if not hasattr(self, "kafka"):
            return
        self.kafka.next_commit = "commit"
        self.turn()
        self.turn()
        expected = judged(Judge(), self.movements) if self.movements else []
        assert self.kafka.told() == Counter(alert.alert_id for alert in expected)
        assert self.kafka.letters == list(range(len(self.kafka.wrong_settings)))
        shutil.rmtree(self.folder)

    @rule(amounts=st.lists(STEPS, min_size=1, max_size=4), account=st.sampled_from(["a", "b"]))
    def publish(self, amounts: list[int], account: str) -> None:
        new = [
            movement(len(self.movements) + number, 0, 8, amount * UNIT, account_id=account)
            for number, amount in enumerate(amounts)
        ]
        self.movements += new
        self.kafka.publish(*new)

    @rule()
    def publish_wrong_settings(self) -> None:
        self.kafka.publish_wrong_settings()

    @rule()
    def turn(self) -> None:
        try:
            self.running.turn()
        except CrashedError:
            self.running = self.kafka.watch()

    @rule(how=st.sampled_from(["abort", "crash before", "crash after"]))
    def trouble(self, how: str) -> None:
        self.kafka.next_commit = how

    @rule(loses_files=st.booleans())
    def crash(self, loses_files: bool) -> None:
        if loses_files:
            shutil.rmtree(self.kafka.folder, ignore_errors=True)
        self.running = self.kafka.watch()

    @rule()
    def restart(self) -> None:
        with suppress(CrashedError):
            self.running.stop()
        self.running = self.kafka.watch()

    @rule(share=st.integers(0, 3))
    def set_offsets_back(self, share: int) -> None:
        if self.kafka.committed is not None:
            back = int(np.floor(self.kafka.committed.offset * share / 4))
            self.kafka.committed = OffsetAndNote(back, LOG_ID)
        self.running = self.kafka.watch()

    @invariant()
    def nothing_is_told_twice(self) -> None:
        assert not hasattr(self, "kafka") or max(self.kafka.told().values(), default=1) == 1


TestToldOnceMachine = ToldOnceMachine.TestCase
TestToldOnceMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
