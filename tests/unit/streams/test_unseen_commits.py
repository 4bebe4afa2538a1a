"""A commit that Kafka has acknowledged, whose markers were never written, and what ends its producer's next transaction.

A broker does that which dies between the two, and knows no leader of the partitions when it is back: it takes them for deleted,
and the commit for complete (seen with 4.3.1, in its log and its files). An abort of the next transaction aborts both.
"""

from pathlib import Path

import pytest

from schemas.topics import USAGE_EVENTS
from tests.unit.streams.kafka_double import KafkaDouble, RunningRater
from tests.unit.streams.test_outcome import NOW, event


@pytest.fixture
def kafka(tmp_path: Path) -> KafkaDouble:
    return KafkaDouble(tmp_path / "stores", NOW)


def rated(kafka: KafkaDouble, running: RunningRater, number: int, end: str = "commit") -> None:
    """Publish an event, and rate it in a batch that ends so."""
    kafka.publish(USAGE_EVENTS, event(number), NOW)
    kafka.next_commit = end
    running.turn()


def charged(kafka: KafkaDouble) -> list[str]:
    return [line["movement_id"] for line in kafka.log]


def events(*numbers: int) -> list[str]:
    return [event(number)["event_id"] for number in numbers]


def begun(kafka: KafkaDouble) -> RunningRater:
    """With one event rated, and another whose commit Kafka has acknowledged and not done."""
    running = kafka.rater()
    running.turn()
    rated(kafka, running, 1)
    rated(kafka, running, 2, "unmarked")
    assert charged(kafka) == events(1)
    return running


def test_where_the_next_is_committed_all_count(kafka: KafkaDouble) -> None:
    running = begun(kafka)
    rated(kafka, running, 3)
    assert charged(kafka) == events(1, 2, 3)
    running.catch_up()
    kafka.rater().catch_up()
    assert charged(kafka) == events(1, 2, 3)


def test_where_the_next_is_aborted_the_events_of_both_are_rated_again(kafka: KafkaDouble) -> None:
    running = begun(kafka)
    rated(kafka, running, 3, "abort")
    running.catch_up()
    assert charged(kafka) == events(1, 2, 3)


@pytest.mark.parametrize("folder_is_kept", [True, False])
def test_where_the_process_ends_its_files_do_not_say_that_the_events_are_known(
    kafka: KafkaDouble, tmp_path: Path, folder_is_kept: bool
) -> None:
    running = begun(kafka)
    running.save(is_settled=False)
    if not folder_is_kept:
        kafka.folder = tmp_path / "another"
    kafka.rater().catch_up()
    assert charged(kafka) == events(1, 2)


def test_ids_that_the_next_commit_has_settled_are_in_the_files(kafka: KafkaDouble) -> None:
    running = begun(kafka)
    rated(kafka, running, 3)
    running.save(is_settled=False)
    stores = kafka.rater().rater._assignment.stores
    assert len(stores.hold([0], {0: NOW})[0]) == 2
