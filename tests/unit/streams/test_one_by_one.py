"""Each partition is rated as soon as its own store is ready, and none before."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.partitioner import account_partition
from schemas.topics import USAGE_EVENTS
from tests.unit.streams.kafka_double import KafkaDouble, RunningRater
from tests.unit.streams.test_outcome import NOW, event

ACCOUNTS = {account_partition(f"acct-{number}", 2): f"acct-{number}" for number in range(20)}
LONGEST_SECONDS = 20.0


def half_readable(folder: Path) -> KafkaDouble:
    """Both partitions have been rated, and their stores are lost; that of partition 1 cannot be read back yet."""
    kafka = KafkaDouble(folder / "seen", NOW, partitions=2)
    for number in (0, 1):
        publish(kafka, number, *range(10 * number, 10 * number + 5))
    kafka.rater().catch_up()
    shutil.rmtree(kafka.folder, ignore_errors=True)
    kafka.waits_for_the_log = False
    kafka.is_readable[1].clear()
    return kafka


@pytest.fixture
def kafka(tmp_path: Path) -> KafkaDouble:
    return half_readable(tmp_path)


def publish(kafka: KafkaDouble, partition: int, *numbers: int) -> None:
    for number in numbers:
        kafka.publish(USAGE_EVENTS, event(number, account_id=ACCOUNTS[partition], partition=partition), NOW)


def turn_until(running: RunningRater, condition: Callable[[], Any]) -> None:
    give_up_at = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at
        running.turn()


def charged(kafka: KafkaDouble) -> Counter[int]:
    return Counter(int(line["movement_id"][-12:], 16) for line in kafka.log)


WAITING = "waiting for the group to assign partitions, and for their committed offsets"
ONCE = Counter([*range(5), *range(10, 15)])


def test_a_partition_is_rated_while_another_one_is_read_back(kafka: KafkaDouble) -> None:
    running = kafka.rater()
    for number in (0, 1):
        publish(kafka, number, *range(10 * number, 10 * number + 6))
    turn_until(running, lambda: charged(kafka)[5])
    for _ in range(5):
        running.turn()
    assert charged(kafka) == ONCE + Counter([5])
    assert running.rater.not_ready is None
    assert running.rater.state == "rating 1 of 2 partitions; partition 1: 0 of 5 movements read back"
    kafka.is_readable[1].set()
    turn_until(running, lambda: charged(kafka)[15])
    running.catch_up()
    assert charged(kafka) == ONCE + Counter([5, 15])
    assert running.rater.state == "rating 2 of 2 partitions"


def test_the_one_that_comes_later_leaves_the_others_their_place(kafka: KafkaDouble) -> None:
    running = kafka.rater(batch_size=1)
    publish(kafka, 0, *range(100, 110))
    turn_until(running, lambda: charged(kafka)[102])
    kafka.is_readable[1].set()
    publish(kafka, 1, 200)
    turn_until(running, lambda: charged(kafka)[200])
    running.catch_up()
    assert charged(kafka) == ONCE + Counter([*range(100, 110), 200])
    assert kafka.letters == {}


def test_partitions_that_go_in_the_middle_are_given_up_at_once_and_read_on_when_they_come_back(
    kafka: KafkaDouble,
) -> None:
    running = kafka.rater()
    publish(kafka, 0, 5)
    turn_until(running, lambda: charged(kafka)[5])
    running.leave()
    assert running.rater.not_ready == WAITING
    running.come_back()
    publish(kafka, 0, 5, 6)
    publish(kafka, 1, 10, 15)
    turn_until(running, lambda: charged(kafka)[6])
    kafka.is_readable[1].set()
    turn_until(running, lambda: charged(kafka)[15])
    running.catch_up()
    assert charged(kafka) == ONCE + Counter([5, 6, 15])


def test_after_an_abort_in_the_middle_all_are_prepared_again(kafka: KafkaDouble) -> None:
    running = kafka.rater()
    turn_until(running, lambda: running.rater.not_ready is None)
    kafka.next_commit = "abort"
    publish(kafka, 0, 0, 5)
    publish(kafka, 1, 10, 15)
    turn_until(running, lambda: charged(kafka)[5])
    kafka.is_readable[1].set()
    turn_until(running, lambda: charged(kafka)[15])
    running.catch_up()
    assert charged(kafka) == ONCE + Counter([5, 15])


def test_a_rater_that_ends_in_the_middle_ends_the_reading_too(kafka: KafkaDouble) -> None:
    running = kafka.rater()
    running.turn()
    reading = running.rater._assignment._reading
    assert reading is not None
    assert not reading._reading.done()
    running.rater._assignment.close()
    assert reading._reading.done()


def test_no_store_is_ready_before_the_group_has_answered_and_something_is_rated(kafka: KafkaDouble) -> None:
    kafka.is_readable[0].clear()
    running = kafka.rater()
    assert running.rater.not_ready == WAITING
    running.turn()
    turn_until(running, lambda: "read back" in running.rater.state)
    assert running.rater.not_ready == ("rating 0 of 2 partitions; partitions 0, 1: 0 of 10 movements read back")
    for each in kafka.is_readable.values():
        each.set()
    turn_until(running, lambda: running.rater.state == "rating 2 of 2 partitions")


def test_a_rater_for_which_the_group_has_no_partition_is_ready(kafka: KafkaDouble) -> None:
    running = kafka.rater()
    running.leave()
    running.rater._assignment.on_assign(running._consumer, [])  # type: ignore[arg-type]
    running.turn()
    assert running.rater.not_ready is None
    assert running.rater.state == "ready: the group has more raters than partitions, and none for this one"
