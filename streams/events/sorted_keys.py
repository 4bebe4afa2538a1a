"""One binary search for a whole column: 'which is the last entry of this group at or before this value?'"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
NONE = -1


@dataclass(frozen=True)
class SortedKeys:
    """Entries of (group, start, value), sorted.

    Two columns become one by rank: group * (number of distinct starts + 1) + rank of the start.
    """

    starts: Ints
    keys: Ints
    values: Ints

    @classmethod
    def of(cls, entries: Sequence[tuple[int, int, int]]) -> "SortedKeys":
        """From (group, start, value) in any order."""
        groups, starts, values = (np.array(column, dtype=np.int64) for column in _columns(entries))
        distinct = np.unique(starts)
        keys = groups * (len(distinct) + 1) + np.searchsorted(distinct, starts, side="right")
        order = np.argsort(keys)
        return cls(distinct, keys[order], np.append(values[order], NONE))

    def positions(self, groups: Ints, at: Ints) -> Ints:
        """The index of each row's entry, or NONE: the last one of its group that starts at or before `at`.

        A group of NONE has no entries.
        """
        if len(self.keys) == 0:
            return np.full(len(groups), NONE, dtype=np.int64)
        stride = len(self.starts) + 1
        wanted = groups * stride + np.searchsorted(self.starts, at, side="right")
        found = np.searchsorted(self.keys, wanted, side="right") - 1
        hit = (found >= 0) & (groups >= 0) & (self.keys[found] // stride == groups)
        return np.where(hit, found, NONE)

    def values_at(self, positions: Ints) -> Ints:
        """The values of those entries. NONE stays NONE: it is the index -1, and the last of `values` is NONE."""
        return self.values[positions]

    def last_at_or_before(self, groups: Ints, at: Ints) -> Ints:
        """The value of each row's entry, or NONE."""
        return self.values_at(self.positions(groups, at))


def _columns(entries: Sequence[tuple[int, int, int]]) -> list[tuple[int, ...]]:
    return list(zip(*entries, strict=True)) if entries else [(), (), ()]
