"""Looking a batch up in a sorted column: the first place of each value, and how often it stands there."""

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.events.sorted_keys import Ints


def spans(column: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """(first place, count) of each of `wanted` in the sorted `column`; the place means nothing where the count is 0."""
    first = np.searchsorted(column, wanted, side="left")
    counts = np.searchsorted(column, wanted, side="right") - first
    return np.minimum(first, max(len(column) - 1, 0)), counts


def repeats(column: npt.NDArray[Any]) -> Ints:
    """The places in the sorted `column` whose value stands before them already."""
    return np.flatnonzero(column[1:] == column[:-1]) + 1
