"""The deduplication stores of a rater, one for each of its partitions."""

import shutil
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.dedup.fingerprints import Hashes
from streams.dedup.snapshots import Snapshot, Snapshots
from streams.dedup.store import NOTHING_FORGOTTEN, DedupStore
from streams.events.sorted_keys import Ints


class DedupStores:
    """Partition number → store. `folder` holds a folder for each; `log_id` identifies the log that they are a projection of.

    `snapshots`: where there are any, a store begins with its own, when its thread asks for it.

    A store that `hold` has opened is behind the log until `make_ready`. Until then only the thread that reads the log back for
    it may use it, and nothing is looked up in it.
    """

    def __init__(self, folder: Path, log_id: str, keep: timedelta, snapshots: Snapshots | None = None) -> None:
        self._snapshots = snapshots
        self._folder = folder
        self._log_id = log_id
        self._keep = keep
        self._stores: dict[int, DedupStore] = {}
        self._ready: dict[int, DedupStore] = {}

    def __len__(self) -> int:
        """How many ids the ready ones hold."""
        return sum(map(len, self._ready.values()))

    def __getitem__(self, number: int) -> DedupStore:
        return self._stores[number]

    def hold(self, numbers: Iterable[int], newest_at: Mapping[int, int]) -> dict[int, DedupStore]:
        """The stores of exactly these partitions, none of them ready, and without what the log has not shown: opens the missing
        ones, saves and closes all others.

        `newest_at` as in `note_newest`. Call it only while nobody reads the log back.
        """
        wanted = list(numbers)
        self._ready = {}
        for number in self._stores.keys() - set(wanted):
            self._stores.pop(number).save()
        for number in wanted:
            if number not in self._stores:
                snapshot = self._snapshot_of(number)
                self._stores[number] = DedupStore(self.folder_of(number), self._log_id, self._keep, snapshot=snapshot)
        held = {number: self._stores[number] for number in wanted}
        for store in held.values():
            store.drop_unseen()
        # Before the log is read: the stores then need not keep ids that they may forget at once.
        _note_newest(held, newest_at)
        return held

    def make_ready(self, numbers: Iterable[int]) -> None:
        """These stores know all movements up to the end of the log."""
        self._ready |= {number: self._stores[number] for number in numbers}

    @property
    def ready(self) -> list[int]:
        """The partitions whose stores are ready, in order."""
        return sorted(self._ready)

    def throw_away(self, number: int) -> None:
        """Delete the store of a partition, on disk too. It is then rebuilt from the log."""
        self._stores.pop(number, None)
        self._ready.pop(number, None)
        shutil.rmtree(self.folder_of(number), ignore_errors=True)
        if (snapshot := self._snapshot_of(number)) is not None:
            snapshot.give_up()

    def _snapshot_of(self, number: int) -> Snapshot | None:
        return None if self._snapshots is None else self._snapshots.of(self._log_id, number, self._keep)

    def folder_of(self, number: int) -> Path:
        return self._folder / str(number)

    def places_of(self, number: int) -> str:
        """What a person has to remove, so that the store is filled from the log."""
        snapshot = self._snapshot_of(number)
        return f"{self.folder_of(number)}{'' if snapshot is None else f' and {snapshot}'}"

    def save(self) -> None:
        """Save all, also those that are behind: call it only while nobody reads the log back."""
        for store in self._stores.values():
            store.save()

    def note_newest(self, newest_at: Mapping[int, int]) -> None:
        """`newest_at`: partition number → the time of its newest record. It decides what a ready store may forget."""
        _note_newest(self._ready, newest_at)

    def look_up(self, partitions: Ints, ids: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes, Ints]:
        """For each id in its partition: whether a movement has it, the content hash of that movement, and the time before which
        ids of the partition may be forgotten."""
        known = np.zeros(len(ids), dtype=bool)
        content = np.zeros(len(ids), dtype=np.uint64)
        forgotten_before = np.full(len(ids), NOTHING_FORGOTTEN, dtype=np.int64)
        for number, store in self._ready.items():
            rows = np.flatnonzero(partitions == number)
            if len(rows):
                known[rows], content[rows] = store.look_up(ids[rows])
                forgotten_before[rows] = store.forgotten_before
        return known, content, forgotten_before

    def remember(
        self, partitions: Ints, ids: Hashes, content: Hashes, occurred_at: Ints, reached: Mapping[int, int]
    ) -> None:
        """Add movements that Kafka says are committed: of each its partition, the fingerprints of its event, and when that
        occurred.

        `reached`: partition number → the offset of `credit-movements` below which its store then knows all movements.
        """
        for number, reached_offset in reached.items():
            rows = np.flatnonzero(partitions == number)
            self._ready[number].add_unseen(ids[rows], content[rows], occurred_at[rows], reached_offset)


def _note_newest(stores: Mapping[int, DedupStore], newest_at: Mapping[int, int]) -> None:
    for number, store in stores.items():
        store.newest_at = max(store.newest_at, newest_at[number])
