"""Movements that the log has twice.

Kafka hides what a transaction wrote that was aborted, and a reader sees each movement once. Tansu, the embedded broker, shows
it: the rater writes the same movements again right behind. So a movement counts once within a stretch of the log, and
that is longer than what a rater writes to a partition in one transaction.
"""

from typing import Final

import numpy as np

from streams.dedup.fingerprints import Hashes
from streams.events.sorted_keys import NONE, first_entries
from streams.pricing.tables.hash_index import HashIndex, Mask

_STRETCH: Final = 2**16


class RecentMovements:
    """The ids of the last movements of a partition, _STRETCH of them at least and twice as many at most."""

    def __init__(self) -> None:
        self._older = self._newer = HashIndex()
        self._count = 0

    @property
    def ids(self) -> Hashes:
        """The hashes of them."""
        runs = (*self._older.runs, *self._newer.runs)
        return np.concatenate([np.zeros(0, dtype=np.uint64), *(run.hashes for run in runs)])

    def add(self, ids: Hashes) -> None:
        if self._count + len(ids) > _STRETCH:
            self._older, self._newer, self._count = self._newer, HashIndex(), 0
        self._newer = self._newer.added(ids, np.zeros(len(ids), dtype=np.int64))
        self._count += len(ids)

    def are_new(self, ids: Hashes) -> Mask:
        """Whether each of the next movements is there for the first time, by the hashes of their ids; remembers them."""
        order = np.argsort(ids, kind="stable")
        are_new = np.zeros(len(ids), dtype=bool)
        are_new[order[first_entries(ids[order].view(np.int64))]] = True
        for index in (self._older, self._newer):
            are_new &= index.find(ids, lambda wanted, _: np.ones(len(wanted), dtype=bool)) == NONE
        self.add(ids[are_new])
        return are_new
