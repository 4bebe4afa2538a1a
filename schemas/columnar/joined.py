"""The values of a batch joined in one memory, so that NumPy can read one byte of each of them at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
# Readers may read ten bytes (the longest varint) from the end of the last value on, so some bytes must follow it.
_PADDING = bytes(16)
_WORD_BYTES = 8


class JoinedValues:
    """`starts` and `ends`: the indices in `bytes` at which each value begins and ends (a missing value is empty). `words[i]` is
    the eight bytes from `i` on as one number, the first byte lowest. `buffer` is the same memory for Arrow."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        # By Polars: `pyarrow.array` loads pandas first where that is installed, which takes half a second and more.
        array = pl.Series([*values, _PADDING], dtype=pl.Binary).to_arrow()
        _, offset_buffer, self.buffer = array.buffers()
        offsets: Ints = np.frombuffer(offset_buffer, dtype=np.int64, count=len(values) + 1)
        self.starts, self.ends = offsets[:-1], offsets[1:]
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self.buffer, dtype=np.uint8)
        self.words: npt.NDArray[np.uint64] = np.ndarray(
            len(self.bytes) - _WORD_BYTES + 1, dtype="<u8", buffer=self.buffer, strides=(1,)
        )
