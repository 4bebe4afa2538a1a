"""The lines of a file as it lies on disk, hashed while they are read, in flat memory."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from credit_movements.verify.findings import Findings
from kafka_io.errors import UserError

_MOST_CHARACTERS: Final = 256 * 1024
_BUFFER_BYTES: Final = 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
BYTE_ORDER_MARK: Final = "\ufeff"


class UnreadableFileError(UserError):
    """The file cannot be opened or read: one line that says why."""


class _Hashed(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.digest.update(data)
        self.size_bytes += len(data)
        return len(data)


class Source:
    """A file to be read once. `last_line` is the line read last; what cannot be read are findings. Raises OSError."""

    def __init__(self, path: Path, is_gzip: bool, findings: Findings) -> None:
        self._file = path.open("rb", buffering=0)
        self._hashed = _Hashed(self._file)
        self._raw = io.BufferedReader(self._hashed, _BUFFER_BYTES)
        self._findings = findings
        self._line_number = 0
        self.last_line = ""
        self.is_unpacked = is_gzip and self._raw.peek(2)[:2] != _GZIP_MAGIC
        self._is_gzip = is_gzip and not self.is_unpacked

    def lines(self) -> Iterator[str]:
        """Each with its end; stops at what is no text."""
        bytes_ = gzip.GzipFile(fileobj=self._raw) if self._is_gzip else self._raw
        # Bytes that are not UTF-8 become lone surrogates, which no text of an export has.
        text = io.TextIOWrapper(bytes_, "utf-8", errors="surrogateescape", newline="")
        try:
            while line := text.readline(_MOST_CHARACTERS):
                self._line_number += 1
                if len(line) == _MOST_CHARACTERS:
                    self._findings.add("no line of ours is so long", self._line_number)
                    return
                if not line.isascii():
                    self._check_text(line)
                self.last_line = line
                yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self._findings.add(f"the gzip is broken after here: {error}", self._line_number)
        finally:
            text.detach()

    def finish(self) -> tuple[int, str]:
        """The size in bytes and the SHA-256 of the whole file, whatever was read of it."""
        while self._raw.read(_BUFFER_BYTES):
            pass
        self._file.close()
        return self._hashed.size_bytes, self._hashed.digest.hexdigest()

    def _check_text(self, line: str) -> None:
        try:
            line.encode()
        except UnicodeEncodeError:
            self._findings.add("not UTF-8", self._line_number)
