"""Texts cut out of joined values, all at once."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from schemas.columnar.joined import Ints, JoinedValues
from schemas.columnar.utf8 import misspelt


def texts(joined: JoinedValues, begins: Ints, lengths: Ints) -> tuple[pl.Series, npt.NDArray[np.bool_]]:
    """The texts of `lengths` bytes from `begins` on (ascending, without overlap), and which of them are UTF-8; others are
    ''."""
    is_text = np.ones(len(begins), dtype=bool)
    cut = _cut(joined, begins, lengths)
    try:
        column = cut.cast(pa.large_string())
    except pa.ArrowInvalid:
        _, offsets, data = cut.buffers()
        is_text[misspelt(np.frombuffer(data, np.uint8), np.frombuffer(offsets, np.int64, len(cut) + 1))] = False
        column = _cut(joined, begins, np.where(is_text, lengths, 0)).cast(pa.large_string())
    series = pl.from_arrow(column)
    assert isinstance(series, pl.Series)
    return series, is_text


def _cut(joined: JoinedValues, begins: Ints, lengths: Ints) -> pa.LargeBinaryArray:
    # Arrow needs values without gaps. So this makes an array of the texts and of the gaps, and takes each second value.
    edges = np.stack([begins, begins + lengths], axis=1).ravel()
    count = max(len(edges) - 1, 0)
    both = pa.LargeBinaryArray.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(edges), joined.buffer])
    return both.take(pl.arange(0, count, 2, eager=True).to_arrow())
