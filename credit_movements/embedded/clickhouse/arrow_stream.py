"""Joins the pieces of an Arrow result: chDB makes each chunk a whole IPC stream, with schema and end."""

import struct
from collections.abc import Iterable, Iterator

_CONTINUATION = b"\xff\xff\xff\xff"
_END_OF_STREAM = _CONTINUATION + b"\x00\x00\x00\x00"


def joined(chunks: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """One IPC stream of many: the first one's schema, everybody's batches, one end. At least one chunk is needed."""
    for number, chunk in enumerate(chunks):
        if not chunk.startswith(_CONTINUATION) or not chunk.endswith(_END_OF_STREAM):
            raise ValueError("not an Arrow IPC stream")
        # Not copied: a block is megabytes.
        yield memoryview(chunk)[0 if number == 0 else _schema_end(chunk) : -len(_END_OF_STREAM)]
    yield _END_OF_STREAM


def _schema_end(stream: bytes) -> int:
    """Where the first message ends: 8 bytes of prefix, then metadata; a schema has no body."""
    (metadata_bytes,) = struct.unpack_from("<i", stream, 4)
    return 8 + int(metadata_bytes)
