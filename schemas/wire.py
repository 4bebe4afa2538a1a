"""The Confluent wire format: magic byte 0, a 4-byte big-endian schema id, then one Avro datum."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

HEADER_BYTES = 5
MAX_VALUE_BYTES = 64 * 1024
_MAGIC = 0


@dataclass(frozen=True)
class Frames:
    """`rows`: places of the well-framed values, ascending. `schema_ids`: one for every value of the batch, meaningless
    where it is not well framed. `broken`: (place, what is wrong) of the others."""

    rows: npt.NDArray[np.int64]
    schema_ids: npt.NDArray[np.int64]
    broken: list[tuple[int, str]]


def header(schema_id: int) -> bytes:
    """The five bytes before a datum."""
    return bytes([_MAGIC]) + schema_id.to_bytes(4, "big")


def read_frames(values: Sequence[bytes | None]) -> Frames:
    """Read the headers of a whole batch at once."""
    array = pa.array(values, pa.large_binary())
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64, count=len(values) + 1)
    # Padded, so that the five bytes after the last offset can be read where the last value is too short.
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.empty(0, dtype=np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    framed = (lengths >= HEADER_BYTES) & (lengths <= MAX_VALUE_BYTES)
    safe_starts = np.where(framed, starts, 0)
    if framed.any():
        head = np.stack([data[safe_starts + position] for position in range(HEADER_BYTES)], axis=1)
    else:
        head = np.zeros((len(values), HEADER_BYTES), dtype=np.uint8)
    schema_ids = np.ascontiguousarray(head[:, 1:]).view(">u4")[:, 0].astype(np.int64)
    good = framed & (head[:, 0] == _MAGIC)
    broken = [(row, _what_is_wrong(values[row])) for row in np.flatnonzero(~good).tolist()]
    return Frames(np.flatnonzero(good), schema_ids, broken)


def _what_is_wrong(value: bytes | None) -> str:
    if value is None:
        return "no value"
    if len(value) < HEADER_BYTES:
        return f"{len(value)} bytes are too short for the wire format"
    if len(value) > MAX_VALUE_BYTES:
        return f"{len(value)} bytes are over the limit of {MAX_VALUE_BYTES}"
    return f"magic byte {value[0]}, expected {_MAGIC}"
