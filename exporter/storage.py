"""Object storage: the CSV files, and the small records that are the exporter's memory. Local disk or a cloud, by URL."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url

# One request to a cloud carries a part of 5 MiB at most, so this is long.
_REQUEST_TIMEOUT = timedelta(minutes=2)
_READ_BYTES = 4 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StorageUnavailableError(Exception):
    """The storage cannot be reached, is full, or refuses us: try again later."""


class StorageUrlError(ValueError):
    """A URL that names no storage we know how to open."""


@dataclass(frozen=True)
class StoredFile:
    """What was written: its length and its SHA-256 in lower-case hexadecimal."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class StoredObject:
    """One line of a listing; `modified_at_micros` by the storage's clock."""

    key: str
    size_bytes: int
    modified_at_micros: int


class ExportStorage:
    """All methods raise StorageUnavailableError; those that are not `async` block."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, url: str) -> "ExportStorage":
        """The storage at `file:///...`, `memory:///`, `s3://...`, `gs://...` or `az://...`. Raises StorageUrlError."""
        try:
            if url.startswith("file://"):
                if not url.removeprefix("file://").strip("/"):
                    raise StorageUrlError(f"{url}: names no folder")
                return cls(from_url(url, mkdir=True))
            if url.startswith("memory://"):
                return cls(from_url(url))
            return cls(from_url(url, client_options={"timeout": _REQUEST_TIMEOUT}))
        except (BaseError, OSError) as error:
            raise StorageUrlError(f"{url}: {_first_line(error)}") from error

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> StoredFile:
        """Write an object of any length in flat memory. It appears whole or, if `chunks` raises, not at all."""
        digest = hashlib.sha256()
        size_bytes = 0

        def counted() -> Iterator[bytes]:
            nonlocal size_bytes
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                yield chunk

        with _outages_named():
            obstore.put(self._store, key, counted())
        return StoredFile(size_bytes, digest.hexdigest())

    def create_record(self, key: str, record: dict[str, Any]) -> bool:
        """Write a record where there is none yet; False where there is one, which then stays as it is."""
        body = json.dumps(record, ensure_ascii=False, indent=1).encode()
        with _outages_named():
            try:
                obstore.put(self._store, key, body, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def read_record(self, key: str) -> dict[str, Any] | None:
        """The record, or None where there is none."""
        with _outages_named():
            try:
                body = bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None
        record: dict[str, Any] = json.loads(body)
        return record

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """Everything under the folder `prefix`, in no order."""
        with _outages_named():
            for chunk in obstore.list(self._store, prefix):
                for meta in chunk:
                    yield StoredObject(meta["path"], meta["size"], _micros(meta["last_modified"]))

    def size_bytes(self, key: str) -> int | None:
        """The length of an object, or None where there is none."""
        with _outages_named():
            try:
                return obstore.head(self._store, key)["size"]
            except FileNotFoundError:
                return None

    async def read_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes `start <= n < end`. Read piece by piece: a slow reader holds no request to the storage open."""
        for begin in range(start, end, _READ_BYTES):
            with _outages_named():
                piece = await obstore.get_range_async(self._store, key, start=begin, end=min(begin + _READ_BYTES, end))
            yield bytes(piece)

    def delete(self, key: str) -> None:
        """Delete an object; one that is gone already is no error."""
        with _outages_named():
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def check(self) -> None:
        """Ask the storage for anything at all."""
        self.size_bytes("readiness")


@contextmanager
def _outages_named() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise StorageUnavailableError(f"object storage: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
