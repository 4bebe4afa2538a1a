"""A ZIP archive as a stream, in flat memory: the same bytes for the same contents, on every machine. Pure.

The format is that of PKWARE's APPNOTE 6.3: sizes follow each entry (bit 3 of its flags), since they are not known before.
`packing` says why the standard library's zlib does not compress.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import cramjam

from exporter.file.formats.limits import MOST_ZIP_BYTES, TooLargeForFormatError
from exporter.file.formats.packing import LEVEL, pieces

_VERSION: Final = 20
_SIZES_FOLLOW_AND_NAMES_ARE_UTF_8: Final = 0x0808
_DEFLATED: Final = 8
# 1980-01-01: an archive must name a day, and this is the first one that it can.
_NO_TIME, _FIRST_DAY = 0, 0x21
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_SIZES: Final = struct.Struct("<4s3L")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")


@dataclass
class _Entry:
    name: bytes
    begins: int
    crc: int = 0
    packed: int = 0
    size: int = 0


def zipped(contents: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """The archive of these (name, chunks), in their order. Raises TooLargeForFormatError."""
    entries: list[_Entry] = []
    written = 0
    for name, chunks in contents:
        entry = _Entry(name.encode(), written)
        entries.append(entry)
        for part in _entry(entry, chunks):
            written += len(part)
            yield part
        if written > MOST_ZIP_BYTES:
            raise TooLargeForFormatError(f"{written:,} bytes, a ZIP has {MOST_ZIP_BYTES:,} at most")
    directory = b"".join(_central(entry) for entry in entries)
    yield directory
    yield _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), written, 0)


def _entry(entry: _Entry, chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield _LOCAL.pack(b"PK\3\4", _VERSION, *_how(), 0, 0, 0, len(entry.name), 0) + entry.name
    compressor = cramjam.deflate.Compressor(LEVEL)
    for piece in pieces(chunks):
        entry.crc = crc32(piece, entry.crc)
        entry.size += len(piece)
        if entry.size > MOST_ZIP_BYTES:
            raise TooLargeForFormatError(f"{entry.name.decode()} has more than {MOST_ZIP_BYTES:,} bytes")
        compressor.compress(piece)
        yield from _counted(entry, compressor.flush)
    yield from _counted(entry, compressor.finish)
    yield _SIZES.pack(b"PK\7\10", entry.crc, entry.packed, entry.size)


def _counted(entry: _Entry, more: Callable[[], object]) -> Iterator[bytes]:
    data = bytes(more())  # type: ignore[call-overload]
    entry.packed += len(data)
    yield data


def _central(entry: _Entry) -> bytes:
    sizes = (entry.crc, entry.packed, entry.size)
    return (
        _CENTRAL.pack(b"PK\1\2", _VERSION, _VERSION, *_how(), *sizes, len(entry.name), 0, 0, 0, 0, 0, entry.begins)
        + entry.name
    )


def _how() -> tuple[int, int, int, int]:
    return _SIZES_FOLLOW_AND_NAMES_ARE_UTF_8, _DEFLATED, _NO_TIME, _FIRST_DAY
