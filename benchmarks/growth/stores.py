"""The deduplication store of one partition as the ids that it remembers grow: adding, reopening, looking up, memory.

`python -m benchmarks.growth.stores [--quick] [--folder FOLDER]`: 12,000, 5 million and 50 million ids (4 GB of disk, two
minutes), or a tenth of that. Looked up are new ids, as nearly all are, and among them a few that are there.
"""

import argparse
import mmap
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from obstore.store import LocalStore

from benchmarks.growth import Growth
from benchmarks.proc import resident_without_files
from streams.dedup.files import Manifest
from streams.dedup.snapshots import Snapshots
from streams.dedup.store import DedupStore

SIZES = (12_000, 5_000_000, 50_000_000)
_QUICK_SIZES = (12_000, 500_000, 5_000_000)
_BATCH = 20_000
_KEEP = timedelta(days=35)
_SMALL_BATCH = 500
# One of so many ids that are looked up is there already.
_ONE_KNOWN_IN = 100
_SECONDS_OF_LOOKING_UP = 2.0
_COLD_BATCHES = 5
# What an event takes a rater without the look-up, microseconds, and the ratio of speeds that the product aims at.
_REST_OF_AN_EVENT = 5.0
_AIM_OF_SPEED = 0.9
_MICROSECONDS = 1e6
_MIB = 1024 * 1024

Ids = npt.NDArray[np.uint64]


class Costs(NamedTuple):
    """Of a store with `ids`. Microseconds an id, in processor time; `cold`: the same by the wall, with none of its files in
    memory; `memory`: bytes an id beyond the files that the system keeps in memory."""

    ids: int
    adding: float
    reopening_seconds: float
    looking_up: float
    of_small_batches: float
    of_known: float
    cold: float
    memory: float
    beginning_seconds: float


def measured(quick: bool = False, folder: Path | None = None) -> list[Growth]:
    costs = []
    for ids in _QUICK_SIZES if quick else SIZES:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            costs.append(_of_store(Path(name), ids))
    least, small, large = costs
    told = f"{small.ids:,} and {large.ids:,} ids"
    return [
        Growth(
            "an event in a rater, of which all but the look-up takes 5 us",
            f"{least.ids:,} and {large.ids:,} ids",
            _REST_OF_AN_EVENT + least.looking_up,
            _REST_OF_AN_EVENT + large.looking_up,
            "us",
            round(1 / _AIM_OF_SPEED, 2),
        ),
        Growth(
            f"looking up, {_BATCH:,} at once",
            f"{least.ids:,} and {large.ids:,} ids",
            least.looking_up,
            large.looking_up,
            "us an id",
        ),
        Growth(f"looking up, {_BATCH:,} at once", told, small.looking_up, large.looking_up, "us an id"),
        Growth(f"looking up, {_SMALL_BATCH} at once", told, small.of_small_batches, large.of_small_batches, "us an id"),
        Growth(f"looking up {_BATCH:,} that are there", told, small.of_known, large.of_known, "us an id"),
        Growth(f"looking up {_BATCH:,}, files not in memory", told, small.cold, large.cold, "us an id"),
        Growth("adding", told, small.adding, large.adding, "us an id"),
        Growth("reopening", told, small.reopening_seconds, large.reopening_seconds, "s"),
        Growth("beginning with a snapshot", told, small.beginning_seconds, large.beginning_seconds, "s"),
        Growth("memory beyond the files", told, small.memory, large.memory, "bytes an id"),
    ]


def _of_store(folder: Path, ids: int) -> Costs:
    numbers = np.random.default_rng(1)
    adding = _filled(folder, ids, numbers)
    _store(folder)  # Once, so that the files are in memory.
    began_at = time.perf_counter()
    store = _store(folder)
    reopening_seconds = time.perf_counter() - began_at
    assert len(store) == ids
    known = np.concatenate([run.ids[:: max(1, len(run) // _BATCH)] for run in store._runs()])
    looking_up = _looking_up(store, _mostly_new(numbers, known, _BATCH))
    return Costs(
        ids=ids,
        adding=adding,
        reopening_seconds=reopening_seconds,
        looking_up=looking_up,
        of_small_batches=_looking_up(store, _mostly_new(numbers, known, _SMALL_BATCH)),
        of_known=_looking_up(store, lambda: numbers.choice(known, _BATCH)),
        memory=_in_a_process_of_its_own(_memory, folder) / ids,
        beginning_seconds=_beginning(folder, store),
        cold=_cold(folder, store, _mostly_new(numbers, known, _BATCH)),
    )


def _store(folder: Path) -> DedupStore:
    return DedupStore(folder, "log", _KEEP)


def _filled(folder: Path, ids: int, numbers: np.random.Generator) -> float:
    """Fill a store as a rater does. Returns what an id cost."""
    store = _store(folder)
    occurred_at = np.zeros(_BATCH, dtype=np.int64)
    spent = 0.0
    for begin in range(0, ids, _BATCH):
        count = min(_BATCH, ids - begin)
        hashes, content = (_uniform(numbers, count) for _ in range(2))
        began_at = time.process_time()
        store.add(hashes, content, occurred_at[:count], begin + count)
        spent += time.process_time() - began_at
    began_at = time.process_time()
    store.save()
    return (spent + time.process_time() - began_at) / ids * _MICROSECONDS


def _uniform(numbers: np.random.Generator, count: int) -> Ids:
    return numbers.integers(0, 2**64, count, dtype=np.uint64)


def _mostly_new(numbers: np.random.Generator, known: Ids, count: int) -> Callable[[], Ids]:
    def some() -> Ids:
        ids = _uniform(numbers, count)
        ids[::_ONE_KNOWN_IN] = numbers.choice(known, len(ids[::_ONE_KNOWN_IN]))
        return ids

    return some


def _looking_up(store: DedupStore, some: Callable[[], Ids]) -> float:
    """What an id costs, microseconds."""
    spent, count = 0.0, 0
    while spent < _SECONDS_OF_LOOKING_UP:
        ids = some()
        began_at = time.process_time()
        store.look_up(ids)
        spent += time.process_time() - began_at
        count += len(ids)
    return spent / count * _MICROSECONDS


def _in_a_process_of_its_own(measure: Callable[[Path], float], folder: Path) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, folder).result()


def _beginning(folder: Path, store: DedupStore) -> float:
    """What a machine without a store takes until it has one, seconds."""
    snapshots = Snapshots(LocalStore(folder / "storage", mkdir=True), time.monotonic)
    snapshot = snapshots.of("log", 0, _KEEP)
    names = tuple(name for name, _ in store._files)
    manifest = Manifest("log", store.reached_offset, store.newest_at, store.forgotten_before, names)
    snapshot.upload(manifest, [run for _, run in store._files])
    began_at = time.perf_counter()
    other = DedupStore(folder / "other machine", "log", _KEEP, snapshot=snapshot)
    other.begin_from_snapshot()
    seconds = time.perf_counter() - began_at
    assert len(other) == len(store)
    for name in ("storage", "other machine"):
        shutil.rmtree(folder / name)
    return seconds


def _memory(folder: Path) -> float:
    """What opening a store and looking up takes, bytes."""
    before = resident_without_files()
    store = _store(folder)
    store.look_up(_uniform(np.random.default_rng(2), _BATCH))
    return (resident_without_files() - before) * _MIB


def _cold(folder: Path, store: DedupStore, some: Callable[[], Ids]) -> float:
    """What an id costs by the wall, microseconds, just after the system has dropped the files."""
    batches = [some() for _ in range(_COLD_BATCHES)]
    for run in store._runs():
        if isinstance(run.data, np.memmap):
            run.data._mmap.madvise(mmap.MADV_DONTNEED)
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fdatasync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    began_at = time.perf_counter()
    for ids in batches:
        store.look_up(ids)
    return (time.perf_counter() - began_at) / (_COLD_BATCHES * _BATCH) * _MICROSECONDS


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth.stores")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path)
    for row in measured(**vars(parser.parse_args())):
        print(f"{row.what}: {row.sizes}: {row.small:.3f} and {row.large:.3f} {row.unit}", flush=True)
