"""How many bytes a decoded row took as an Avro datum, computed from its columns."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Sizes = npt.NDArray[np.int64]
# A zigzag varint takes one byte more from each of these values on.
_VARINT_STEPS = np.array([1 << (7 * count) for count in range(1, 10)], dtype=np.uint64)


def encoded_sizes(batch: pa.RecordBatch, fields: list[dict[str, Any]]) -> _Sizes:
    """The size in bytes of each row of `batch` in the only encoding that a right writer gives it: int64 of shape (rows,)."""
    sizes = np.zeros(batch.num_rows, dtype=np.int64)
    for field, column in zip(fields, batch.columns, strict=True):
        nullable = isinstance(field["type"], list)
        sizes += _column_sizes(column) + (1 if nullable else 0)
    return sizes


def _column_sizes(column: pa.Array) -> _Sizes:
    present = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type):
        lengths = pc.binary_length(column).fill_null(0).to_numpy().astype(np.int64)
        return np.where(present, lengths + _varint_sizes(lengths), 0)
    numbers = column.cast(pa.int64()).fill_null(0).to_numpy()
    return np.where(present, _varint_sizes(numbers), 0)


def _varint_sizes(numbers: npt.NDArray[np.int64]) -> _Sizes:
    zigzag = (numbers << 1 ^ numbers >> 63).view(np.uint64)
    return np.searchsorted(_VARINT_STEPS, zigzag, side="right") + 1
