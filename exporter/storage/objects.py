"""Object storage, on a local disk or in a cloud: files of any length, and small records that are written once."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from kafka_io.errors import Outage, UserError

_CLOUDS = ("s3", "gs", "az")
# Those that can be reached at an address of one's own.
_WITH_ENDPOINT = ("s3://", "az://")
_SCHEMES = ("file", "memory", *_CLOUDS)
# The names of S3's directory buckets end so. They list names in no order, so `first_behind` would not work.
_UNORDERED_BUCKET = "--x-s3"
# This value of the public endpoint says that customers cannot reach the storage.
NO_PUBLIC_ENDPOINT = "none"
# One request to a cloud carries a part of 5 MiB at most, so this is ample.
_REQUEST_TIMEOUT = timedelta(minutes=2)
# Parts of 5 MiB each. They stay in memory until they have arrived.
_PARTS_AT_ONCE = 4
_READ_BYTES = 4 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StorageUnavailableError(Outage):
    """The storage cannot be reached, is full, or refuses us: try again later."""


class CorruptRecordError(Exception):
    """A record of ours that cannot be read. A person must look at it: trying again is no help."""


class StorageUrlError(UserError):
    """A URL that names no storage we know how to open."""


@dataclass(frozen=True)
class StoredFile:
    """A file that was written: its length and its SHA-256 in lower-case hexadecimal."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class FoundFile:
    """An object that exists. `etag` is a strong entity tag with its quotes; None where the storage has none."""

    size_bytes: int
    etag: str | None


@dataclass(frozen=True)
class StoredObject:
    """One line of a listing; `modified_at_micros` by the storage's clock."""

    key: str
    size_bytes: int
    modified_at_micros: int


def object_store(
    url: str, request_timeout: timedelta = _REQUEST_TIMEOUT, makes_folder: bool = True, **cloud_options: Any
) -> ObjectStore:
    """The storage at `file:///...`, `memory:///`, `s3://...`, `gs://...` or `az://...`. Raises StorageUrlError.

    `makes_folder`: whether to make a folder on the local disk that is not there; otherwise that is an error too.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES or (scheme == "file" and not rest.strip("/")):
        raise StorageUrlError(
            f"{url}: not a storage; file:///folder, s3://bucket, gs://bucket or az://container would be"
        )
    if rest.split("/")[0].endswith(_UNORDERED_BUCKET):
        raise StorageUrlError(f"{url}: a directory bucket lists names in no order; a general purpose bucket would do")
    options: dict[str, Any] = {}
    if scheme == "file":
        options = {"mkdir": makes_folder}
    elif scheme in _CLOUDS:
        # These options replace AWS_ALLOW_HTTP and the like, so they must allow an endpoint with http:// themselves.
        options = {"client_options": {"timeout": request_timeout, "allow_http": True}, **cloud_options}
    try:
        return from_url(url, **options)
    except (BaseError, OSError, ValueError) as error:
        raise StorageUrlError(f"{url}: {_first_line(error)}") from error


class ExportStorage:
    """All methods raise StorageUnavailableError; those that are not `async` block."""

    def __init__(self, store: ObjectStore, public_store: ObjectStore | None = None) -> None:
        self._store = store
        self._public_store = public_store if isinstance(public_store, S3Store | GCSStore | AzureStore) else None
        # A local store writes to `<key>#<number>`, then renames the file. Its listing leaves those names out.
        self._folder = Path(store.prefix) if isinstance(store, LocalStore) and store.prefix is not None else None

    @classmethod
    def open(cls, url: str, public_endpoint: str | None = None, makes_folder: bool = True) -> "ExportStorage":
        """The storage at `file:///...`, `memory:///`, `s3://...`, `gs://...` or `az://...`. Raises StorageUrlError.

        `public_endpoint` is the address of an S3 or Azure storage for customers, where it differs from ours: presigned URLs
        name it. `makes_folder` as in `object_store`.
        """
        if public_endpoint in (None, NO_PUBLIC_ENDPOINT):
            store = object_store(url, makes_folder=makes_folder)
            return cls(store, None if public_endpoint else store)
        if not url.startswith(_WITH_ENDPOINT):
            raise StorageUrlError(
                f"{url}: a public endpoint can only be given for s3:// and az://; `none` would do for all"
            )
        if not public_endpoint.startswith(("http://", "https://")):
            raise StorageUrlError(f"{public_endpoint}: not a public endpoint; https://storage.example.com would be one")
        return cls(object_store(url), object_store(url, endpoint=public_endpoint))

    def put_stream(self, key: str, chunks: Iterable[bytes], headers: dict[str, str] | None = None) -> StoredFile:
        """Write an object of any length in flat memory. It appears whole or, if `chunks` raises, not at all.

        A cloud stores `headers` and sends them with the object; a local disk keeps none.

        A killed process leaves what it had uploaded. On a disk `delete_leftovers` deletes that; in a cloud the bucket's own
        rule about incomplete uploads does.
        """
        digest = hashlib.sha256()
        size_bytes = 0

        def counted() -> Iterator[bytes]:
            nonlocal size_bytes
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                yield chunk

        with _outages_named():
            obstore.put(
                self._store,
                key,
                counted(),
                attributes=None if self._folder is not None else headers,
                max_concurrency=_PARTS_AT_ONCE,
            )
        return StoredFile(size_bytes, digest.hexdigest())

    def create_record(self, key: str, record: dict[str, Any]) -> bool:
        """Write a record if there is none yet. False where there is one: it stays as it is."""
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
        try:
            record: dict[str, Any] = json.loads(body)
        except ValueError as error:
            raise CorruptRecordError(f"{key} in the object storage is not what was written there") from error
        return record

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """All objects under the folder `prefix`, in no order."""
        with _outages_named():
            for chunk in obstore.list(self._store, prefix):
                for meta in chunk:
                    yield StoredObject(meta["path"], meta["size"], _micros(meta["last_modified"]))

    def first_behind(self, key: str) -> str | None:
        """The first name after `key` in its folder, in the order of names; None where there is none.

        A cloud lists names in order and begins at a given one, so one request is enough, however many objects there are. One
        that does not know where to begin (Azurite, older Azure) lists the folder from its first name: we look on.
        """
        with _outages_named():
            listed = obstore.list(self._store, key.rpartition("/")[0], offset=key, chunk_size=1)
            behind = (meta["path"] for chunk in listed for meta in chunk if meta["path"] > key)
            # A local disk lists names in an order of its own.
            return next(behind, None) if self._folder is None else min(behind, default=None)

    def size_bytes(self, key: str) -> int | None:
        """The length of an object, or None where there is none."""
        found = self.find(key)
        return None if found is None else found.size_bytes

    def find(self, key: str) -> FoundFile | None:
        """The object's length and entity tag, or None where there is no object."""
        with _outages_named():
            try:
                meta = obstore.head(self._store, key)
            except FileNotFoundError:
                return None
        return FoundFile(meta["size"], _strong(meta["e_tag"]))

    def presigned_url(self, method: Literal["GET", "HEAD"], key: str, lifetime: timedelta) -> str | None:
        """A URL of the storage itself that answers `method` for this object during `lifetime`. None where the storage is no
        cloud, or customers cannot reach it."""
        if self._public_store is None:
            return None
        if isinstance(self._public_store, AzureStore):
            # Azure signs for reading, by whatever method; obstore signs HEAD for nothing.
            method = "GET"
        with _outages_named():
            return obstore.sign(self._public_store, method, key, lifetime)

    async def read_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes `start <= n < end`, read piece by piece, so that a slow reader keeps no request to the storage open."""
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

    def delete_leftovers(self, older_than_micros: int) -> int:
        """Delete what killed processes left on a local disk, if it was last written before `older_than_micros`."""
        deleted = 0
        with _outages_named():
            for path in self._folder.rglob("*#*") if self._folder is not None else ():
                if path.stat().st_mtime_ns // 1000 < older_than_micros:
                    path.unlink()
                    deleted += 1
        return deleted

    def check(self) -> None:
        """Ask the storage for any object, for a list, and whether it lets us sign. Raises StorageUnavailableError."""
        self.size_bytes("readiness")
        # Of a bucket that is not there a cloud says no more than that the object is not there; it has no list of it, though.
        next(self.list_objects("readiness"), None)
        self.presigned_url("GET", "readiness", timedelta(seconds=1))


@contextmanager
def _outages_named() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise StorageUnavailableError(f"object storage: {_first_line(error)}") from error


def _strong(etag: str | None) -> str | None:
    """An entity tag with its quotes, which a local disk leaves out. None for a weak one: it does not promise the same bytes."""
    return None if etag is None or etag.startswith("W/") else '"' + etag.strip('"') + '"'


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
