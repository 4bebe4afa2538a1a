"""Adds a byte-order mark to the CSV and compresses it with gzip, where a request asks for them. Pure, in flat memory."""

from collections.abc import Iterable, Iterator
from typing import Final

import cramjam

from exporter.request.csv_options import CsvOptions

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_PIECE_BYTES: Final = 1024 * 1024
# Level 1 is six times as fast as the usual level 6, and its files are a tenth larger.
LEVEL: Final = 1


def packed(chunks: Iterable[bytes], options: CsvOptions) -> Iterator[bytes]:
    """The file's bytes, the same however the CSV was cut into `chunks`."""
    marked = _after_mark(chunks) if options.has_byte_order_mark else chunks
    return _gzipped(marked) if options.is_gzip else iter(marked)


def _after_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield _BYTE_ORDER_MARK
    yield from chunks


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip member without a name or a time in it.

    The bytes must be the same on every machine. So cramjam makes them, whose version we pin: zlib belongs to the machine, and
    its versions may give different bytes. And all pieces have one size, because each flush leaves a mark in the bytes.
    """
    compressor = cramjam.gzip.Compressor(LEVEL)
    for piece in pieces(chunks):
        compressor.compress(piece)
        yield bytes(compressor.flush())
    yield bytes(compressor.finish())


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of one size, but for the last."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _PIECE_BYTES:
            yield bytes(held[:_PIECE_BYTES])
            del held[:_PIECE_BYTES]
    if held:
        yield bytes(held)
