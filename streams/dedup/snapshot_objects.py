"""The objects of one snapshot: the files of a store, with a checksum behind the manifest. Reading checks all that it reads.

Methods raise obstore's BaseError and OSError where the storage or the disk fails, and ValueError for a snapshot that is not
what was written.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import obstore
from obstore.store import ObjectStore
from xxhash import xxh3_64_hexdigest

from streams.dedup.files import MANIFEST, Manifest, checked_run, entries_of, new_file
from streams.dedup.runs import Run

# What a manifest does not name may be named by the next one of another rater that uploads it just now.
KEPT_UNNAMED: Final = timedelta(days=1)
_PIECE_BYTES = 8 * 1024 * 1024
_PIECES_AT_ONCE = 4
_BYTES_AN_ENTRY = 24
# The first bytes of a run's file say its shape. A manifest has some 30 names.
_MOST_BYTES_OF_HEADER = 4096
_MOST_BYTES_OF_MANIFEST = 1024 * 1024


class StoppedError(Exception):
    """Nobody waits for the snapshot any more."""


class _Piece(NamedTuple):
    """Bytes of an object, to be put into a file at the same place."""

    key: str
    file: Path
    begin: int
    end: int


class _Found(NamedTuple):
    size_bytes: int
    modified_at: datetime


class SnapshotObjects:
    """Those of one partition, in the folder `root` of the storage."""

    def __init__(self, storage: ObjectStore, root: str) -> None:
        self._storage = storage
        self._root = root

    def manifest(self) -> bytes | None:
        """The text of the manifest; None where there is none."""
        try:
            if obstore.head(self._storage, self._key(MANIFEST))["size"] > _MOST_BYTES_OF_MANIFEST:
                raise ValueError("its manifest is none: too long")
            sealed = bytes(obstore.get(self._storage, self._key(MANIFEST)).bytes())
        except FileNotFoundError:
            return None
        text, _, checksum = sealed.rpartition(b"\n")
        if checksum != _checksum(text):
            raise ValueError("its manifest is not what was written")
        return text

    def fetch_runs(self, names: Sequence[str], folder: Path, is_stopped: Callable[[], bool] = lambda: False) -> bool:
        """Put these runs into the folder, those that are there already excepted. False where the storage lacks one.

        Raises StoppedError if `is_stopped` says so on the way.
        """
        missing = [name for name in names if not (folder / name).exists()]
        folder.mkdir(parents=True, exist_ok=True)
        try:
            pieces = [piece for name in missing for piece in self._pieces(name, new_file(folder, name))]
            with ThreadPoolExecutor(_PIECES_AT_ONCE, thread_name_prefix="snapshot") as pool:
                list(pool.map(lambda piece: self._fetch(piece, is_stopped), pieces))
            for name in missing:
                checked_run(new_file(folder, name), name)
            for name in missing:
                new_file(folder, name).replace(folder / name)
        except FileNotFoundError:
            return False
        finally:
            for name in missing:
                new_file(folder, name).unlink(missing_ok=True)
        return True

    def write(self, manifest: Manifest, runs: Sequence[Run]) -> None:
        """Upload the runs that are not there, then the manifest, which names just these; then delete what is left over."""
        there = self._runs()
        for name, run in zip(manifest.runs, runs, strict=True):
            header = _header(run)
            if name not in there or there[name].size_bytes != len(header) + run.data.nbytes:
                obstore.put(self._storage, self._key(name), _file(header, run), max_concurrency=_PIECES_AT_ONCE)
        text = manifest.text()
        obstore.put(self._storage, self._key(MANIFEST), text + b"\n" + _checksum(text))
        written_at = obstore.head(self._storage, self._key(MANIFEST))["last_modified"]
        for name in there.keys() - set(manifest.runs):
            if there[name].modified_at < written_at - KEPT_UNNAMED:
                self._delete(name)

    def delete_manifest(self) -> None:
        self._delete(MANIFEST)

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _pieces(self, name: str, file: Path) -> list[_Piece]:
        size = obstore.head(self._storage, self._key(name))["size"]
        if size > entries_of(name) * _BYTES_AN_ENTRY + _MOST_BYTES_OF_HEADER:
            raise ValueError(f"{name} is not what was written")
        file.write_bytes(b"")
        return [
            _Piece(self._key(name), file, begin, min(begin + _PIECE_BYTES, size))
            for begin in range(0, size, _PIECE_BYTES)
        ]

    def _fetch(self, piece: _Piece, is_stopped: Callable[[], bool]) -> None:
        if is_stopped():
            raise StoppedError
        fetched = obstore.get_range(self._storage, piece.key, start=piece.begin, end=piece.end)
        with piece.file.open("r+b") as file:
            file.seek(piece.begin)
            file.write(fetched)

    def _runs(self) -> dict[str, _Found]:
        """Name → what is there. What has another name is none of ours, and is left alone."""
        found = {
            each["path"].rpartition("/")[2]: _Found(each["size"], each["last_modified"])
            for chunk in obstore.list(self._storage, self._root)
            for each in chunk
        }
        return {name: each for name, each in found.items() if _is_run(name)}

    def _delete(self, name: str) -> None:
        try:
            obstore.delete(self._storage, self._key(name))
        except FileNotFoundError:
            return


def _is_run(name: str) -> bool:
    try:
        entries_of(name)
    except ValueError:
        return False
    return True


def _checksum(text: bytes) -> bytes:
    return xxh3_64_hexdigest(text).encode()


def _header(run: Run) -> bytes:
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(run.data))
    return header.getvalue()


def _file(header: bytes, run: Run) -> Iterator[bytes | memoryview]:
    """What the run's file holds, piece by piece; the file itself may be gone already."""
    yield header
    # An older version wrote the rows interlaced.
    rows = run.data if run.data.flags.c_contiguous else run.data.T
    values = rows.reshape(-1).data.cast("B")
    for begin in range(0, len(values), _PIECE_BYTES):
        yield values[begin : begin + _PIECE_BYTES]
