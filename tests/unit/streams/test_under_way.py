"""A batch is decided while the one before is being committed: what must stay in order stays in order."""

import threading
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import USAGE_EVENTS
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.test_outcome import NOW, event


@pytest.fixture
def kafka(tmp_path: Path) -> KafkaDouble:
    return KafkaDouble(tmp_path, NOW)


def publish(kafka: KafkaDouble, *numbers: int, **fields: Any) -> None:
    for number in numbers:
        kafka.publish(USAGE_EVENTS, event(number, **fields), NOW)


def ids(kafka: KafkaDouble) -> list[str]:
    return [line["movement_id"] for line in kafka.log]


def test_an_id_that_the_batch_under_way_moves_is_known(kafka: KafkaDouble) -> None:
    publish(kafka, 1, 1)
    rater = kafka.rater(batch_size=1)
    rater.turn(pauses=False)  # It prepares.
    kafka.may_commit.clear()
    rater.turn(pauses=False)  # The first 1 is under way.
    # The second 1 is decided while nothing is committed; before step 3 the rater waits for the first.
    threading.Timer(0.05, kafka.may_commit.set).start()
    rater.turn(pauses=False)
    rater.catch_up()
    assert ids(kafka) == [event(1)["event_id"]]


def test_other_content_for_an_id_under_way_is_a_conflict(kafka: KafkaDouble) -> None:
    publish(kafka, 1)
    publish(kafka, 1, quantity=7)
    rater = kafka.rater(batch_size=1)
    for _ in range(3):
        rater.turn(pauses=False)
    rater.catch_up()
    assert [reason for reason, _ in kafka.letters.values()] == ["conflict"]
    assert len(kafka.log) == 1


def test_what_was_decided_after_an_aborted_batch_is_dropped_and_both_are_read_again(kafka: KafkaDouble) -> None:
    publish(kafka, 1, 1, 2)
    rater = kafka.rater(batch_size=1)
    rater.turn(pauses=False)
    kafka.next_commit = "abort"
    for _ in range(4):
        rater.turn(pauses=False)
    rater.catch_up()
    assert ids(kafka) == [event(1)["event_id"], event(2)["event_id"]]


def test_partitions_go_only_when_nothing_is_under_way(kafka: KafkaDouble) -> None:
    publish(kafka, 1)
    rater = kafka.rater(batch_size=1)
    rater.turn(pauses=False)
    kafka.may_commit.clear()
    rater.turn(pauses=False)
    leaving = threading.Thread(target=rater.leave)
    leaving.start()
    leaving.join(0.1)
    assert leaving.is_alive()
    kafka.may_commit.set()
    leaving.join()
    assert ids(kafka) == [event(1)["event_id"]]
    # And the store knows it, so it is not charged again when the partition comes back.
    assert len(rater.rater._assignment.stores) == 1


def test_a_rater_that_ends_waits_for_the_batch_under_way(kafka: KafkaDouble) -> None:
    publish(kafka, 1, 2)
    rater = kafka.rater(batch_size=1)
    for _ in range(3):
        rater.turn(pauses=False)
    rater.rater._finish_before_leaving()
    assert len(kafka.log) == 2
    assert len(rater.rater._assignment.stores) == 2
