"""A request's body as a file: by length or in chunks, compressed or not, however large."""

import io
from email.message import Message
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_CHUNK_LINE_BYTES = 1024
_CODECS = {"gzip": "gzip", "lz4": "lz4", "zstd": "zstd", "br": "brotli"}


class UnreadableBodyError(Exception):
    """The body is in a form that HTTP or this server does not know."""


class BodyEndedEarlyError(ConnectionError):
    """The client went away in the middle of its request: what came so far must not count."""


def request_body(headers: Message, connection: io.BufferedIOBase) -> io.BufferedReader:
    """The body as it was sent, still compressed. Reading it raises BodyEndedEarlyError or UnreadableBodyError."""
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return io.BufferedReader(_ChunkedBody(connection))
    length = headers.get("Content-Length", "0")
    if not length.isdecimal():
        raise UnreadableBodyError(f"Content-Length: {length}")
    return io.BufferedReader(_BodyOfLength(connection, int(length)))


def decompressed(body: io.BufferedReader, encoding: str) -> BinaryIO:
    """The body without its Content-Encoding. Raises UnreadableBodyError for one that is not known."""
    if encoding in {"", "identity"}:
        return body
    if encoding not in _CODECS:
        raise UnreadableBodyError(f"Content-Encoding: {encoding}")
    return _Decompressed(pa.CompressedInputStream(pa.PythonFile(body, mode="r"), _CODECS[encoding]))


class _Decompressed(io.BufferedReader):
    """Names the decompressor's errors, which are plain OSErrors."""

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            raise UnreadableBodyError(str(error)) from error


class _BodyOfLength(io.RawIOBase):
    def __init__(self, connection: io.BufferedIOBase, length: int) -> None:
        self._connection = connection
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)[: self._left]
        count = _read_into(self._connection, view) if view else 0
        self._left -= count
        return count


class _ChunkedBody(io.RawIOBase):
    def __init__(self, connection: io.BufferedIOBase) -> None:
        self._connection = connection
        self._left_in_chunk = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        if self._left_in_chunk == 0 and not self._ended:
            self._begin_chunk()
        view = memoryview(buffer)[: self._left_in_chunk]
        if not view:
            return 0
        count = _read_into(self._connection, view)
        self._left_in_chunk -= count
        if self._left_in_chunk == 0:
            self._line()  # the line end after a chunk's bytes
        return count

    def _begin_chunk(self) -> None:
        size = self._line().partition(b";")[0].strip()
        try:
            self._left_in_chunk = int(size, 16)
        except ValueError as error:
            raise UnreadableBodyError(f"chunk size {size[:20]!r}") from error
        if self._left_in_chunk == 0:
            self._ended = True
            while self._line().strip():
                """Trailing headers: nobody asked for them."""

    def _line(self) -> bytes:
        line = self._connection.readline(_MAX_CHUNK_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise BodyEndedEarlyError("the body ended early")
        return line


def _read_into(connection: io.BufferedIOBase, buffer: memoryview) -> int:
    data = connection.read1(len(buffer))
    if not data:
        raise BodyEndedEarlyError("the body ended early")
    buffer[: len(data)] = data
    return len(data)
