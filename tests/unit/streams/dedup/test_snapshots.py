"""A store without its files begins with its snapshot, and its own snapshot follows it."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
from obstore.store import LocalStore
from xxhash import xxh3_64_hexdigest

from streams.dedup import snapshot_objects
from streams.dedup.files import Manifest
from streams.dedup.fingerprints import ALGORITHM
from streams.dedup.runs import Run
from streams.dedup.store import DedupStore
from streams.dedup.stores import DedupStores
from tests.unit.streams.dedup.snapshot_world import World, fill
from tests.unit.streams.dedup.test_store import DAY, KEEP, add, found


def test_a_new_machine_begins_with_the_snapshot_and_goes_on(world: World) -> None:
    fill(world)
    store = world.open("second")
    assert (store.reached_offset, len(store)) == (350, 350)
    assert found(store, range(360)) == [True] * 350 + [False] * 10
    add(store, range(350, 500), 500)
    world.uploaded()
    assert found(world.open("third"), range(500)) == [True] * 500
    # The second one's files are its own.
    assert DedupStore(world.folder / "second", "log", KEEP).reached_offset == 500
    assert world.failures == 0


def test_what_a_store_has_forgotten_is_told_with_its_snapshot(world: World) -> None:
    store = world.open("first")
    add(store, range(10), 10, occurred_at=DAY)
    store.newest_at = 40 * DAY
    store.save()
    world.uploaded()
    assert world.open("second").forgotten_before == 5 * DAY


def test_a_store_that_is_a_little_behind_reads_the_log_and_one_far_behind_takes_the_snapshot(world: World) -> None:
    local = DedupStore(world.folder / "local", "log", KEEP)
    add(local, range(10), 10)
    local.save()
    for reached, expected in ((1_000_010, 10), (1_000_011, 1_000_011)):
        store = world.open(f"ahead by {reached}")
        add(store, range(30), reached)
        store.save()
        world.uploaded()
        assert world.open("local").reached_offset == expected
    assert found(world.open("local"), range(30)) == [True] * 30
    assert len(list((world.folder / "local").iterdir())) == 2


def test_a_store_asks_once(world: World) -> None:
    store = world.open("first")
    fill(world, "second")
    store.begin_from_snapshot()
    assert store.reached_offset == 0


def test_without_a_snapshot_a_store_begins_empty_and_nothing_is_wrong(world: World) -> None:
    assert world.open("first").reached_offset == 0
    assert world.failures == 0


def test_the_late_upload_of_an_old_rater_leaves_what_is_further_on(world: World) -> None:
    old = fill(world, "old")
    late = Manifest("log", old.reached_offset, 0, old.forgotten_before, tuple(name for name, _ in old._files))
    newer = world.open("new")
    add(newer, range(350, 1000), 1000)
    world.uploaded()
    world.snapshot().offer(late, [run for _, run in old._files])
    world.uploaded()
    assert world.open("third").reached_offset == 1000


def test_what_no_manifest_names_is_deleted_a_day_later_and_what_is_none_of_ours_never(tmp_path: Path) -> None:
    world = World(LocalStore(tmp_path / "storage", mkdir=True), tmp_path / "machines")
    store = fill(world)
    folder = (tmp_path / "storage" / world.key("manifest.json")).parent
    (folder / "notes.txt").write_text("somebody's")
    old, young = f"{'0' * 16}-1.npy", f"{'1' * 16}-1.npy"
    for name in (old, young):
        (folder / name).write_bytes(b"")
    before = {path.name for path in folder.iterdir()}
    two_days_ago = (folder / "manifest.json").stat().st_mtime - 2 * 86_400
    for path in folder.iterdir():
        if path.name != young:
            os.utime(path, (two_days_ago, two_days_ago))
    add(store, range(350, 351), 351)
    store.save()
    world.uploaded()
    assert before - {path.name for path in folder.iterdir()} == {old}
    assert world.open("second").reached_offset == 351


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_a_run_that_is_deleted_under_the_eyes_of_a_reader_makes_it_begin_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fill(world)
    before = world.all_keys()

    def go_on() -> None:
        """Until the first runs are merged, and their objects deleted."""
        for start in range(350, 2000, 50):
            add(store, range(start, start + 50), start + 50)
        store.save()
        world.uploaded()
        named = {name for name, _ in store._files} | {"manifest.json"}
        obstore.delete(world.storage, [key for key in before if key.rpartition("/")[2] not in named])

    waiting = [go_on]

    def fetch_runs(objects: Any, *asked: Any) -> bool:
        if waiting:
            waiting.pop()()
        return honest(objects, *asked)

    honest = snapshot_objects.SnapshotObjects.fetch_runs
    monkeypatch.setattr(snapshot_objects.SnapshotObjects, "fetch_runs", fetch_runs)
    assert world.open("second").reached_offset == 2000
    assert world.failures == 0


def held(stores: DedupStores) -> DedupStore:
    """The store of partition 0, as it begins."""
    (store,) = stores.hold([0], {0: 0}).values()
    store.begin_from_snapshot()
    return store


def test_a_store_that_was_thrown_away_is_filled_from_the_log(world: World) -> None:
    stores = DedupStores(world.folder / "first", "log", KEEP, world.snapshots)
    add(held(stores), range(10), 10)
    stores.hold([], {})
    world.uploaded()
    stores = DedupStores(world.folder / "second", "log", KEEP, world.snapshots)
    assert held(stores).reached_offset == 10
    stores.throw_away(0)
    assert held(stores).reached_offset == 0
    world.begin()
    stores = DedupStores(world.folder / "third", "log", KEEP, world.snapshots)
    assert held(stores).reached_offset == 0
    assert stores.places_of(0) == f"{world.folder / 'third' / '0'} and {world.snapshots.of('log', 0, KEEP)}"


def test_a_fetch_that_nobody_waits_for_any_more_ends_in_the_middle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_objects, "_PIECE_BYTES", 1000)
    fill(world)
    asked = iter([False, False, False])
    store = DedupStore(world.folder / "second", "log", KEEP, snapshot=world.snapshot())
    store.begin_from_snapshot(lambda: next(asked, True))
    assert store.reached_offset == 0
    assert not list((world.folder / "second").iterdir())
    assert world.failures == 0


def test_runs_that_an_older_version_wrote_are_uploaded_as_they_are(world: World) -> None:
    data = np.asfortranarray(np.stack([np.arange(500, dtype=np.uint64) * np.uint64(each) for each in (1, 3, 0)]))
    folder = world.folder / "first"
    folder.mkdir(parents=True)
    name = f"{xxh3_64_hexdigest(np.ascontiguousarray(data).data)}-500.npy"
    np.save(folder / name, data)
    told = {"algorithm": ALGORITHM, "log_id": "log", "reached_offset": 500, "newest_at": 0, "runs": [name]}
    (folder / "manifest.json").write_text(json.dumps(told | {"forgotten_before": -(2**62)}))
    store = world.open("first")
    assert found(store, range(500)) == [True] * 500
    add(store, range(500, 510), 510)
    store.save()
    world.uploaded()
    assert (world.folder / "first" / name).read_bytes() == world.read(world.key(name))
    assert found(world.open("second"), range(510)) == [True] * 510


def test_a_run_may_be_many_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_objects, "_PIECE_BYTES", 1000)
    fill(world)
    assert found(world.open("second"), range(350)) == [True] * 350


def test_a_run_is_uploaded_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(world)
    headers: list[Run] = []
    honest = snapshot_objects._file
    monkeypatch.setattr(snapshot_objects, "_file", lambda header, run: headers.append(run) or honest(header, run))
    add(store, range(350, 360), 360)
    store.save()
    world.uploaded()
    assert [len(run) for run in headers] == [10]
