"""A store without its files begins with its snapshot, if that is whole and its own, and with nothing otherwise."""

import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import LocalStore, MemoryStore, ObjectStore
from xxhash import xxh3_64_hexdigest

from streams.dedup import snapshot_objects, snapshots
from streams.dedup.files import Manifest
from streams.dedup.fingerprints import ALGORITHM
from streams.dedup.runs import Run
from streams.dedup.snapshots import Snapshot, Snapshots
from streams.dedup.store import DedupStore
from streams.dedup.stores import DedupStores
from tests.integration.stack import eventually
from tests.unit.streams.dedup.test_store import DAY, KEEP, add, found

CLOSING_SECONDS = 20.0


class World:
    """A storage, and machines one after the other. `seconds` is what their clocks show; `failures` counts what went wrong."""

    def __init__(self, storage: ObjectStore, folder: Path) -> None:
        self.storage = storage
        self.folder = folder
        self.seconds = 0.0
        self.failures = 0
        self.snapshots = self.begin()

    def begin(self) -> Snapshots:
        self.snapshots = Snapshots(self.storage, lambda: self.seconds, self._fail)
        return self.snapshots

    def snapshot(self, log_id: str = "log", keep: timedelta = KEEP) -> Snapshot:
        return self.snapshots.of(log_id, 0, keep)

    def open(self, machine: str, log_id: str = "log", keep: timedelta = KEEP) -> DedupStore:
        store = DedupStore(self.folder / machine, log_id, keep, 100, self.snapshot(log_id, keep))
        store.begin_from_snapshot()
        return store

    def uploaded(self) -> None:
        """All that was offered is in the storage."""
        self.snapshots.close(CLOSING_SECONDS)
        self.snapshots._is_closing = False
        self.snapshots._thread = threading.Thread(target=self.snapshots._upload_all, daemon=True)

    def all_keys(self) -> list[str]:
        return sorted(each["path"] for chunk in obstore.list(self.storage) for each in chunk)

    def key(self, ending: str) -> str:
        return next(key for key in self.all_keys() if key.endswith(ending))

    def read(self, key: str) -> bytes:
        return bytes(obstore.get(self.storage, key).bytes())

    def write(self, key: str, value: bytes) -> None:
        obstore.put(self.storage, key, value)

    def rewrite_manifest(self, **changes: Any) -> None:
        """As somebody does who knows how it is sealed."""
        told = json.loads(self.read(self.key("manifest.json")).splitlines()[0])
        text = json.dumps(told | changes).encode()
        self.write(self.key("manifest.json"), text + b"\n" + xxh3_64_hexdigest(text).encode())

    def _fail(self) -> None:
        self.failures += 1


@pytest.fixture(params=["memory", "disk"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    storage = MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "storage", mkdir=True)
    return World(storage, tmp_path / "machines")


def fill(world: World, machine: str = "first", log_id: str = "log") -> DedupStore:
    """A store of several runs, saved and uploaded."""
    store = world.open(machine, log_id)
    for start in range(0, 350, 50):
        add(store, range(start, start + 50), start + 50)
    store.save()
    world.uploaded()
    return store


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


class Outage:
    """obstore, until `is_over` with every call failing."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_over = threading.Event()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if not self.is_over.is_set():
                raise GenericError("no route\nand much more")
            return getattr(obstore, name)(*arguments, **more)

        return call


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    outage = Outage()
    monkeypatch.setattr(snapshot_objects, "obstore", outage)
    monkeypatch.setattr(snapshots, "_SECONDS_BEFORE_TRYING_AGAIN", 0.01)
    return outage


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_an_outage_of_the_storage_is_a_line_and_what_is_newest_is_uploaded_after_it(
    world: World, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    store = world.open("first")
    world.seconds = 100.0
    caplog.clear()
    for start in range(0, 300, 100):
        add(store, range(start, start + 100), start + 100)
    eventually(lambda: world.failures >= 5, CLOSING_SECONDS)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"waiting for snapshots since 0 s, trying again: uploading {world.snapshot()}: no route"
    ]
    outage.is_over.set()
    eventually(lambda: not world.snapshots._complaints.open, CLOSING_SECONDS)
    world.uploaded()
    assert world.open("second").reached_offset == 300


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_an_outage_holds_up_one_store_a_minute(world: World, outage: Outage) -> None:
    for machine in ("first", "second"):
        assert world.open(machine).reached_offset == 0
    assert outage.calls == 1
    world.seconds = 60.0
    world.open("third")
    assert outage.calls == 2


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_closing_waits_for_no_outage(world: World, outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_SECONDS_BEFORE_TRYING_AGAIN", 3600.0)
    store = world.open("first")
    add(store, range(100), 100)
    eventually(lambda: world.failures == 2, CLOSING_SECONDS)
    world.snapshots.close(CLOSING_SECONDS)
    assert not world.snapshots._thread.is_alive()


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "first").write_text("in the way")
    assert world.open("first").reached_offset == 0


def test_a_store_that_was_thrown_away_is_filled_from_the_log(world: World) -> None:
    stores = DedupStores(world.folder / "first", "log", KEEP, world.snapshots)
    add(stores.hold([0])[0], range(10), 10)
    stores.hold([])
    world.uploaded()
    stores = DedupStores(world.folder / "second", "log", KEEP, world.snapshots)
    assert stores.hold([0])[0].reached_offset == 10
    stores.throw_away(0)
    assert stores.hold([0])[0].reached_offset == 0
    world.begin()
    stores = DedupStores(world.folder / "third", "log", KEEP, world.snapshots)
    assert stores.hold([0])[0].reached_offset == 0
    assert stores.places_of(0) == f"{world.folder / 'third' / '0'} and {world.snapshots.of('log', 0, KEEP)}"


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
