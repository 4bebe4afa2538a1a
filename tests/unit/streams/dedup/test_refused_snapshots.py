"""A snapshot that is torn, altered or of another log is refused, and the store is filled from the log."""

import logging
from collections.abc import Callable
from datetime import timedelta

import obstore
import pytest

from streams.dedup.store import DedupStore
from tests.unit.streams.dedup.snapshot_world import World, fill
from tests.unit.streams.dedup.test_store import DAY, KEEP, add, found


def cut_run(world: World) -> None:
    key = world.key(".npy")
    world.write(key, world.read(key)[:-100])


def change_run(world: World) -> None:
    key = world.key(".npy")
    world.write(key, world.read(key)[:-1] + b"\xff")


def empty_run(world: World) -> None:
    world.write(world.key(".npy"), b"")


def blow_up_run(world: World) -> None:
    key = world.key(".npy")
    world.write(key, world.read(key) + b"\0" * 100_000)


def delete_run(world: World) -> None:
    obstore.delete(world.storage, world.key(".npy"))


def exchange_runs(world: World) -> None:
    first, second = [key for key in world.all_keys() if key.endswith(".npy")][:2]
    world.write(first, world.read(second))


def cut_manifest(world: World) -> None:
    key = world.key("manifest.json")
    world.write(key, world.read(key)[:-1])


def change_manifest(world: World) -> None:
    key = world.key("manifest.json")
    world.write(key, world.read(key).replace(b"350", b"950"))


def local_manifest(world: World) -> None:
    """As a store has it on its disk, without a checksum."""
    world.write(world.key("manifest.json"), (world.folder / "first" / "manifest.json").read_bytes())


def long_manifest(world: World) -> None:
    world.write(world.key("manifest.json"), b" " * 2_000_000)


def snapshot_of_another_log(world: World) -> None:
    ours = world.key("manifest.json").rpartition("/")[0]
    fill(world, "other", "another log")
    theirs = next(key for key in world.all_keys() if key.endswith("manifest.json") and not key.startswith(ours))
    for key in world.all_keys():
        if key.startswith(theirs.rpartition("/")[0]):
            world.write(f"{ours}/{key.rpartition('/')[2]}", world.read(key))


def another_algorithm(world: World) -> None:
    world.rewrite_manifest(algorithm="md5")


def forgotten_ids(world: World) -> None:
    world.rewrite_manifest(forgotten_before=1, newest_at=KEEP // timedelta(microseconds=1))


def paths_for_names(world: World) -> None:
    name = world.key(".npy").rpartition("/")[2]
    world.write(f"dedup/{name}", world.read(world.key(".npy")))
    world.rewrite_manifest(runs=[f"../{name}"])


def absolute_path(world: World) -> None:
    world.rewrite_manifest(runs=[str(world.folder / "stolen.npy")])


def no_names(world: World) -> None:
    world.rewrite_manifest(runs=[7, None])


def no_offset(world: World) -> None:
    world.rewrite_manifest(reached_offset=None)


def endless_offset(world: World) -> None:
    world.rewrite_manifest(reached_offset=float("inf"))


DAMAGES = [
    cut_run,
    change_run,
    empty_run,
    blow_up_run,
    delete_run,
    exchange_runs,
    cut_manifest,
    change_manifest,
    local_manifest,
    long_manifest,
    snapshot_of_another_log,
    another_algorithm,
    forgotten_ids,
    paths_for_names,
    absolute_path,
    no_names,
    no_offset,
    endless_offset,
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_what_is_not_whole_and_its_own_is_refused_with_a_line(
    world: World, damage: Callable[[World], None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(world)
    damage(world)
    caplog.clear()
    store = world.open("second")
    assert (store.reached_offset, len(store)) == (0, 0)
    assert not list(world.folder.glob("second/*"))
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "is refused, and the log is read instead: " in line
    assert world.failures == 1
    # Filled from the log and further on, it is uploaded whole again.
    add(store, range(1000), 1000)
    world.uploaded()
    assert world.open("third").reached_offset == 1000


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_a_local_store_that_is_whole_stays_when_the_snapshot_is_not(world: World) -> None:
    local = DedupStore(world.folder / "local", "log", KEEP)
    add(local, range(10), 10)
    local.save()
    store = world.open("far ahead")
    add(store, range(30), 5_000_000)
    store.save()
    world.uploaded()
    change_run(world)
    before = {path.name: path.read_bytes() for path in (world.folder / "local").iterdir()}
    assert found(world.open("local"), range(20)) == [True] * 10 + [False] * 10
    assert {path.name: path.read_bytes() for path in (world.folder / "local").iterdir()} == before


def test_a_store_that_is_to_remember_for_longer_does_not_take_one_that_has_forgotten(world: World) -> None:
    store = world.open("first")
    add(store, range(10), 10, occurred_at=DAY)
    store.newest_at = 40 * DAY
    add(store, range(10, 20), 20, occurred_at=39 * DAY)
    store.save()
    world.uploaded()
    assert world.open("longer", keep=timedelta(days=60)).reached_offset == 0
    # What the longer one uploads is of use to both, and takes its place.
    longer = world.open("longer", keep=timedelta(days=60))
    add(longer, range(20), 20)
    longer.save()
    world.uploaded()
    assert found(world.open("third", keep=timedelta(days=60)), range(20)) == [True] * 20
