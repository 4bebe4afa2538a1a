"""The Confluent wire format: magic byte 0, a 4-byte big-endian schema id, then one Avro datum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from schemas.columnar.joined import Ints, JoinedValues

HEADER_BYTES = 5
MAX_VALUE_BYTES = 64 * 1024
_MAGIC = 0
# A header has the bytes of these two Avro fields: `false` is one byte, the magic one, and the four bytes of a float are written
# as they are. So a writer of datums can write the headers too, and nobody has to join the two, value by value.
HEADER_FIELDS: Final[list[dict[str, Any]]] = [
    {"name": "_magic", "type": "boolean"},
    {"name": "_schema_id", "type": "float"},
]


@dataclass(frozen=True)
class Frames:
    """`rows`: the indices of the well-framed values, ascending. `schema_ids`: one for each value of the batch, meaningless
    where the value is not well framed. `broken`: (index, what is wrong) of the others. `joined`: the bytes of all values."""

    rows: Ints
    schema_ids: Ints
    broken: list[tuple[int, str]]
    joined: JoinedValues


def header(schema_id: int) -> bytes:
    """The five bytes before a datum."""
    return bytes([_MAGIC]) + schema_id.to_bytes(4, "big")


def header_columns(schema: pa.Schema, schema_id: int, count: int) -> list[pa.Array]:
    """The columns of HEADER_FIELDS for `count` values; `schema` begins with these fields. Nothing ever counts with them."""
    # Made from buffers: `pa.repeat` loads pandas, as `schemas.arrow` says. A truth takes one bit.
    magic, ids = bytes((count + 7) // 8), header(schema_id)[1:] * count
    return [
        pa.Array.from_buffers(schema.field(number).type, count, [None, pa.py_buffer(values)])
        for number, values in enumerate((magic, ids))
    ]


def schema_id(value: bytes | None) -> int | None:
    """The schema id of a value that is well framed; None for any other."""
    if value is None or not HEADER_BYTES <= len(value) <= MAX_VALUE_BYTES or value[0] != _MAGIC:
        return None
    return int.from_bytes(value[1:HEADER_BYTES], "big")


def read_frames(values: Sequence[bytes | None]) -> Frames:
    """Read the headers of a whole batch at once."""
    joined = JoinedValues(values)
    lengths = joined.ends - joined.starts
    heads = joined.words[joined.starts]
    schema_ids = (heads >> np.uint64(8)).astype(np.uint32).byteswap().astype(np.int64)
    good = (lengths >= HEADER_BYTES) & (lengths <= MAX_VALUE_BYTES) & (heads.astype(np.uint8) == _MAGIC)
    broken = [(row, _what_is_wrong(values[row])) for row in np.flatnonzero(~good).tolist()]
    return Frames(np.flatnonzero(good), schema_ids, broken, joined)


def _what_is_wrong(value: bytes | None) -> str:
    if value is None:
        return "no value"
    if len(value) < HEADER_BYTES:
        return f"{len(value)} bytes are too short for the wire format"
    if len(value) > MAX_VALUE_BYTES:
        return f"{len(value)} bytes are over the limit of {MAX_VALUE_BYTES}"
    return f"magic byte {value[0]}, expected {_MAGIC}"
