"""Texts cut out of joined values, all at once."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from schemas.joined import JoinedValues, Places
from schemas.utf8 import misspelt


def texts(joined: JoinedValues, begins: Places, lengths: Places) -> tuple[pl.Series, npt.NDArray[np.int64]]:
    """The texts of so many bytes from `begins` on (ascending, none in another), and the numbers of those that are not UTF-8,
    in place of which '' stands."""
    wrong = np.empty(0, dtype=np.int64)
    cut = _cut(joined, begins, lengths)
    try:
        column = cut.cast(pa.large_string())
    except pa.ArrowInvalid:
        _, offsets, data = cut.buffers()
        wrong = misspelt(np.frombuffer(data, np.uint8), np.frombuffer(offsets, np.int64, len(cut) + 1))
        lengths = lengths.copy()
        lengths[wrong] = 0
        column = _cut(joined, begins, lengths).cast(pa.large_string())
    series = pl.from_arrow(column)
    assert isinstance(series, pl.Series)
    return series, wrong


def _cut(joined: JoinedValues, begins: Places, lengths: Places) -> pa.LargeBinaryArray:
    # An Arrow array of the texts and of what lies between them, of which each second one is taken.
    edges = np.stack([begins, begins + lengths], axis=1).ravel()
    count = max(len(edges) - 1, 0)
    both = pa.LargeBinaryArray.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(edges), joined.buffer])
    return both.take(pa.array(np.arange(0, count, 2)))
