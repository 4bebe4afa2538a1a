"""The values of a batch one behind the other, so that NumPy can read the same place of all of them at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
# Behind the last value, so that what is read from its end on (ten bytes at most: the longest varint) is there.
_PADDING = bytes(16)
_WORD_BYTES = 8


class JoinedValues:
    """`starts` and `ends`: where each value lies in `bytes` (a missing value is empty). `words[place]` is the eight bytes from
    `place` on as one number, the first byte lowest. `buffer` is the same memory for Arrow."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        array = pa.array([*values, _PADDING], pa.large_binary())
        _, offset_buffer, self.buffer = array.buffers()
        offsets: Ints = np.frombuffer(offset_buffer, dtype=np.int64, count=len(values) + 1)
        self.starts, self.ends = offsets[:-1], offsets[1:]
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self.buffer, dtype=np.uint8)
        self.words: npt.NDArray[np.uint64] = np.ndarray(
            len(self.bytes) - _WORD_BYTES + 1, dtype="<u8", buffer=self.buffer, strides=(1,)
        )
