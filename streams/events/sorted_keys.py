"""Searches for whole columns: something is looked for in a stretch of sorted entries, which each row has for itself."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
# The index of no entry.
NONE = -1


def first_entries(groups: Ints) -> npt.NDArray[np.bool_]:
    """Of entries that are sorted by group: whether each is the first one of its group."""
    is_first = np.ones(len(groups), dtype=bool)
    np.not_equal(groups[1:], groups[:-1], out=is_first[1:])
    return is_first


def distinct(*columns: Ints) -> Ints:
    """The values of all columns, sorted, each once. NumPy's own `unique` hashes them and takes ten times as long."""
    values = np.sort(np.concatenate(columns))
    found: Ints = values[first_entries(values)]
    return found


def last_at_or_before(starts: Ints, firsts: Ints, ends: Ints, at: Ints) -> Ints:
    """The last entry of each row's stretch that starts at or before `at`, or NONE.

    The stretch is `firsts` to `ends` (exclusive). `starts` are sorted within it, and have one more entry behind the last one.
    """
    low, high = firsts, ends
    # A binary search of all rows in step: as many rounds as the longest stretch needs, which mostly is one.
    for _ in range(int((ends - firsts).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        is_right = (starts[middle] <= at) & (low < high)
        low, high = np.where(is_right, middle + 1, low), np.where(is_right, high, middle)
    return np.where(low > firsts, low - 1, NONE)


def enclosing(is_first: npt.NDArray[np.bool_], ends: Ints, *, beyond: bool) -> Ints:
    """For each entry the nearest earlier one of its group that ends no earlier (`beyond`: that ends later), or NONE.

    `is_first`: whether an entry is the first one of its group.
    """
    found = np.where(is_first, NONE, np.arange(len(ends)) - 1)
    ends_early = np.less_equal if beyond else np.less
    rows = np.flatnonzero(found != NONE)
    # All entries between one and its find end too early for it, and so for each later entry that ends no earlier: that one
    # goes on at the find, be it final or not. So the steps double.
    while len(rows):
        at = found[rows]
        is_early = ends_early(ends[at], ends[rows])
        rows = rows[is_early]
        found[rows] = found[at[is_early]]
        rows = rows[found[rows] != NONE]
    return found
