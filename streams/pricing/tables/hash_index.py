"""From the 64-bit hashes of keys to the numbers of their rows. Two keys may have one hash: the caller compares the keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.events.sorted_keys import NONE, Ints

Mask = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

# Indices in the column of wanted keys, and a row for each: whether the row has that key.
IsSame = Callable[[Ints, Ints], Mask]
_LEAST_RATIO = 8


class _Run(NamedTuple):
    """`hashes` are sorted."""

    hashes: Hashes
    rows: Ints


@dataclass(frozen=True)
class HashIndex:
    """Sorted runs, each more than eight times as long as the next one. It never changes: `added` makes another one."""

    runs: tuple[_Run, ...] = ()

    def added(self, hashes: Hashes, rows: Ints) -> "HashIndex":
        """With these too. Small runs are merged, large ones are shared."""
        if not len(rows):
            return self
        runs = [*self.runs, _sorted_run(hashes, rows)]
        while len(runs) > 1 and len(runs[-2].rows) <= _LEAST_RATIO * len(runs[-1].rows):
            one, other = runs[-2:]
            runs[-2:] = [
                _sorted_run(np.concatenate([one.hashes, other.hashes]), np.concatenate([one.rows, other.rows]))
            ]
        return HashIndex(tuple(runs))

    def find(self, hashes: Hashes, is_same: IsSame) -> Ints:
        """The row of each wanted key, or NONE."""
        found = np.full(len(hashes), NONE, dtype=np.int64)
        # In order, since a binary search for neighbours stays in the processor's cache.
        wanted = np.argsort(hashes)
        for run in self.runs:
            wanted = wanted[found[wanted] == NONE]
            _find_in(run, hashes, wanted, is_same, found)
        return found


def _find_in(run: _Run, hashes: Hashes, wanted: Ints, is_same: IsSame, found: Ints) -> None:
    at = np.searchsorted(run.hashes, hashes[wanted])
    while len(wanted):
        has_hash = run.hashes[np.minimum(at, len(run.hashes) - 1)] == hashes[wanted]
        has_hash &= at < len(run.hashes)
        wanted, at = wanted[has_hash], at[has_hash]
        rows = run.rows[at]
        same = is_same(wanted, rows)
        found[wanted[same]] = rows[same]
        # Another key with the same hash: the next entry may be it.
        wanted, at = wanted[~same], at[~same] + 1


def _sorted_run(hashes: Hashes, rows: Ints) -> _Run:
    order = np.argsort(hashes, kind="stable")
    return _Run(hashes[order], rows[order])
