"""Sorted runs: arrays of the fingerprints of movements, in which a whole batch is looked up at once.

Hashes are uniform, so their first bits say nearly where in a run an id must be. A directory has the place where each value of
the first bits begins. From there a few steps of a binary search lead to the id. Every step is taken for all ids of a batch
together: their cache misses then overlap. Where hashes are not uniform, buckets are longer and the steps more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.dedup.fingerprints import Hashes
from streams.events.sorted_keys import Ints

# Rows of the array that a run is kept in.
_ID, _CONTENT, _OCCURRED_AT = range(3)
# On average, and half of that at least. A directory then takes at most a quarter of a byte an id, and a bucket lies in two to
# four lines of the processor's cache.
_MOST_IN_A_BUCKET = 32
_HASH_BITS = 64
# Few ids are found sooner by a plain search where its cache misses are few too: the directory's steps cost 30 us, however few.
_FEW = 256
_SMALL = 1_000_000


class Directory(NamedTuple):
    """Where the ids of each bucket begin in a run, and at last its end. An id is in the bucket `id >> shift`. `longest`: how
    many ids the fullest bucket has."""

    starts: npt.NDArray[np.uint32]
    shift: np.uint64
    longest: int


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
        return cls._in_order(np.stack([ids, content, occurred_at.view(np.uint64)]), np.argsort(ids))

    @classmethod
    def _in_order(cls, data: npt.NDArray[np.uint64], order: Ints) -> "Run":
        # `take` keeps each row in one piece. `data[:, order]` would not, and a search would fetch all three rows of an entry.
        ordered = data.take(order, axis=1)
        if (ordered[_ID, 1:] == ordered[_ID, :-1]).any():
            # An id may have been forgotten and come anew: its newest entry goes first, since a search finds the first.
            ordered = data.take(np.lexsort((~data[_OCCURRED_AT].view(np.int64), data[_ID])), axis=1)
        return cls(ordered)

    @cached_property
    def _directory(self) -> Directory:
        # One bit at least, since a number cannot be shifted by all of its own.
        bits = max(1, (len(self) // _MOST_IN_A_BUCKET).bit_length())
        shift = np.uint64(_HASH_BITS - bits)
        firsts = np.arange(1 << bits, dtype=np.uint64) << shift
        starts = np.append(np.searchsorted(self.ids, firsts), len(self)).astype(np.uint32)
        return Directory(starts, shift, int(np.diff(starts).max()))

    def find(self, ids: Hashes) -> Ints:
        """For each id the first place in the run where it, or a greater one, stands; the last place where there is none."""
        last = len(self) - 1
        if len(ids) <= _FEW and len(self) <= _SMALL:
            return np.minimum(np.searchsorted(self.ids, ids), last)
        starts, shift, longest = self._directory
        bucket = (ids >> shift).view(np.int64)
        found, end = starts[bucket].astype(np.int64), starts[bucket + 1].astype(np.int64)
        step = 1 << longest.bit_length() >> 1
        while step:
            # All before `found` are smaller than the id. Whether the next `step` ids are too, the last of them tells.
            reached = found + step
            smaller = (reached <= end) & (self.ids[np.minimum(reached, end) - 1] < ids)
            found = np.where(smaller, reached, found)
            step >>= 1
        return np.minimum(found, last)


def merged(runs: Sequence[Run], forget_before: int) -> Run:
    """One run of all entries that occurred at `forget_before` (microseconds) or later."""
    data = np.concatenate([_kept(run, forget_before) for run in runs], axis=1)
    # The parts are sorted already, which a stable sort makes use of: it takes a quarter of the time.
    return Run._in_order(data, np.argsort(data[_ID], kind="stable"))


def _kept(run: Run, forget_before: int) -> npt.NDArray[np.uint64]:
    kept = run.occurred_at >= forget_before
    return run.data if kept.all() else run.data[:, kept]


def look_up(runs: Sequence[Run], ids: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes]:
    """For each id whether a run has it, and the content hash beside it. Of several runs that have it the last one counts."""
    known = np.zeros(len(ids), dtype=bool)
    content = np.zeros(len(ids), dtype=np.uint64)
    for run in runs:
        if len(run) == 0:
            continue
        found = run.find(ids)
        rows = np.flatnonzero(run.ids[found] == ids)
        known[rows] = True
        content[rows] = run.content[found[rows]]
    return known, content
