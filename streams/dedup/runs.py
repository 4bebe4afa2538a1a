"""Sorted runs: arrays of the fingerprints of movements, in which a whole batch is looked up at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.dedup.fingerprints import Hashes
from streams.events.sorted_keys import Ints

# Rows of the array that a run is kept in.
_ID, _CONTENT, _OCCURRED_AT = range(3)


@dataclass(frozen=True)
class Run:
    """Entries sorted by id hash. `data` is uint64 of shape (3, entries); its rows are id hash, content hash and occurred_at
    (microseconds, the bits of an int64)."""

    data: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.data.shape[1])

    @property
    def ids(self) -> Hashes:
        ids: Hashes = self.data[_ID]
        return ids

    @property
    def content(self) -> Hashes:
        content: Hashes = self.data[_CONTENT]
        return content

    @property
    def occurred_at(self) -> Ints:
        occurred_at: Ints = self.data[_OCCURRED_AT].view(np.int64)
        return occurred_at

    @classmethod
    def of(cls, ids: Hashes, content: Hashes, occurred_at: Ints) -> "Run":
        """A run of entries in any order; each array has one value an entry."""
        return cls._sorted(np.stack([ids, content, occurred_at.view(np.uint64)]))

    @classmethod
    def _sorted(cls, data: npt.NDArray[np.uint64]) -> "Run":
        ordered = data[:, np.argsort(data[_ID])]
        if (ordered[_ID, 1:] == ordered[_ID, :-1]).any():
            # An id may have been forgotten and come anew: its newest entry goes first, since a search finds the first.
            ordered = data[:, np.lexsort((~data[_OCCURRED_AT], data[_ID]))]
        return cls(ordered)


def merged(runs: Sequence[Run], forget_before: int) -> Run:
    """One run of all entries that occurred at `forget_before` (microseconds) or later."""
    kept = [run.data[:, run.occurred_at >= forget_before] for run in runs]
    return Run._sorted(np.concatenate(kept, axis=1))


def look_up(runs: Sequence[Run], ids: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes]:
    """For each id whether a run has it, and the content hash beside it."""
    known = np.zeros(len(ids), dtype=bool)
    content = np.zeros(len(ids), dtype=np.uint64)
    # Searching in rising order walks through a run once, which is quicker than jumping about in it. Mostly no id is found, so
    # the ids alone are sorted, and not their rows too, which takes many times longer.
    in_order = np.sort(ids)
    for run in runs:
        if len(run) == 0:
            continue
        found = np.minimum(np.searchsorted(run.ids, in_order), len(run) - 1)
        hits = run.ids[found] == in_order
        if hits.any():
            rows = np.flatnonzero(np.isin(ids, in_order[hits]))
            known[rows] = True
            content[rows] = run.content[np.searchsorted(run.ids, ids[rows])]
    return known, content
