"""A rater on a new machine begins with the snapshots of its stores, and charges nobody twice, whatever it finds there."""

from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore, ObjectStore

from schemas.topics import USAGE_EVENTS
from streams.dedup.files import Manifest
from streams.dedup.snapshots import Snapshots
from streams.dedup.store import NOTHING_FORGOTTEN
from tests.limits import LIMITS
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.test_outcome import NOW, event

FIVE = range(5)
SECONDS = 20.0


@pytest.fixture
def kafka(tmp_path: Path) -> KafkaDouble:
    return KafkaDouble(tmp_path / "machines", NOW)


def machine(kafka: KafkaDouble, name: str, storage: ObjectStore) -> None:
    """Publish five events, rate all that is there on a machine of its own, and leave."""
    for number in FIVE:
        kafka.publish(USAGE_EVENTS, event(number), NOW)
    root, kafka.folder = kafka.folder, kafka.folder / name
    kafka.snapshots = Snapshots(storage, lambda: 0.0)
    rater = kafka.rater()
    rater.catch_up()
    rater.save()
    kafka.snapshots.close(SECONDS)
    kafka.folder = root


def each_once(kafka: KafkaDouble) -> bool:
    return [line["movement_id"] for line in kafka.log] == [event(number)["event_id"] for number in FIVE]


def keys(storage: ObjectStore) -> list[str]:
    return sorted(each["path"] for chunk in obstore.list(storage) for each in chunk)


def test_a_rater_on_a_new_machine_begins_with_the_snapshot_of_the_one_before(
    kafka: KafkaDouble, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    storage = MemoryStore()
    for name in ("first", "second", "third"):
        machine(kafka, name, storage)
        assert each_once(kafka)
    assert caplog.text.count(": 5 ids, offset 5") == 2


def test_a_rater_that_finds_its_snapshot_torn_charges_nobody_twice(kafka: KafkaDouble) -> None:
    storage = MemoryStore()
    machine(kafka, "first", storage)
    obstore.delete(storage, next(key for key in keys(storage) if key.endswith(".npy")))
    machine(kafka, "second", storage)
    assert each_once(kafka)


def test_a_rater_that_finds_the_snapshot_of_another_log_charges_nobody_twice(kafka: KafkaDouble) -> None:
    storage = MemoryStore()
    machine(kafka, "first", storage)
    # Where the log's own ought to be, as after a copy of a folder. It knows nothing, and that up to the same offset.
    ours = Snapshots(storage, lambda: 0.0).of("log", 0, LIMITS.max_age)
    obstore.delete(storage, keys(storage))
    ours._objects.write(Manifest("another log", 5, 0, NOTHING_FORGOTTEN, ()), [])
    machine(kafka, "second", storage)
    assert each_once(kafka)


def test_a_rater_that_is_told_to_begin_with_the_earliest_leaves_the_snapshot_out(kafka: KafkaDouble) -> None:
    """Events may come again whose ids the snapshot has forgotten."""
    storage = MemoryStore()
    machine(kafka, "first", storage)
    assert keys(storage)
    kafka.snapshots = Snapshots(storage, lambda: 0.0)
    kafka.rater().rater._assignment.stores.throw_away(0)
    assert [key for key in keys(storage) if key.endswith("manifest.json")] == []
    machine(kafka, "second", storage)
    assert each_once(kafka)
