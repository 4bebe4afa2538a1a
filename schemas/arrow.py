"""Numbers between Arrow and NumPy, without a copy.

pyarrow's own ways (`to_numpy`, `pa.array`) load pandas wherever it is installed, which costs a process 0.4 s before its first
batch or file.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def numpy_of(numbers: pa.Array) -> npt.NDArray[Any]:
    """The numbers (no nulls) of an array of a fixed width, which cannot be written to."""
    dtype = np.dtype(numbers.type.to_pandas_dtype())
    if len(numbers) == 0:
        return np.empty(0, dtype)
    return np.frombuffer(numbers.buffers()[1], dtype, len(numbers), numbers.offset * dtype.itemsize)


def arrow_of(numbers: npt.NDArray[np.int64]) -> pa.Int64Array:
    """The array of these numbers."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])
