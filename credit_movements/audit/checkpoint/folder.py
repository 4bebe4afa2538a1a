"""The checkpoint on disk: `<data folder>/audit`, a folder for each partition number.

`proved.json` has what was proved, the hash of itself, and whose it is. `ids` has the ids and contents of the movements that a
later event may repeat, in the form of the rater's deduplication store. What is not whole, not of this log or these topics, or
made with other hashes is thrown away, and proved anew. One process at a time has the folder.

Both are written one after the other. A process that ends between the two leaves ids that reach farther than what was proved,
which is noticed, and that partition is proved anew.
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import Any, Final

from xxhash import xxh3_64_hexdigest

from credit_movements.audit.checkpoint.proved import Proved
from credit_movements.audit.clickhouse import row_hashes
from streams.dedup import fingerprints
from streams.dedup.fingerprints import Hashes
from streams.dedup.store import DedupStore
from streams.events.sorted_keys import Ints

logger = logging.getLogger(__name__)

VERSION: Final = 1
_PROVED: Final = "proved.json"
_IDS: Final = "ids"
_LOCK: Final = "audit.lock"
_FOLDER: Final = "audit"


@dataclass(frozen=True)
class Owner:
    """Whose a checkpoint is: Kafka's id of each topic, and how many partitions there are. `keep`: how long ids are kept."""

    topic_ids: Mapping[str, str]
    partitions: int
    keep: timedelta

    @property
    def keep_micros(self) -> int:
        return self.keep // timedelta(microseconds=1)

    def as_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "hashes": [row_hashes.ALGORITHM, fingerprints.ALGORITHM],
            "topics": dict(self.topic_ids),
            "partitions": self.partitions,
        }

    def digest(self) -> str:
        return xxh3_64_hexdigest(_canonical(self.as_json()))


class DistrustError(ValueError):
    """Why a checkpoint is not used."""


@dataclass
class Checkpoint:
    """`proved`: by partition number, what may be trusted. `discarded`: why the others were thrown away."""

    owner: Owner
    folder: Path | None = None
    proved: dict[int, Proved] = field(default_factory=dict)
    discarded: dict[int, str] = field(default_factory=dict)
    _stores: dict[int, DedupStore] = field(default_factory=dict)
    _lock: FileIO | None = None

    @classmethod
    def opened(cls, data_dir: Path, owner: Owner) -> "Checkpoint":
        """What earlier rounds left for this owner. Where the folder cannot be had, nothing is kept, and a line says why."""
        checkpoint = cls(owner)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            lock = (data_dir / _LOCK).open("a+b", buffering=0)
        except OSError as error:
            logger.warning("%s cannot be used, so nothing is kept of what is proved: %s", data_dir, error)
            return checkpoint
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("%s: another audit has the checkpoint, so this one proves everything", data_dir)
            lock.close()
            return checkpoint
        checkpoint._lock, checkpoint.folder = lock, data_dir / _FOLDER
        for number in range(owner.partitions):
            checkpoint._load(number)
        return checkpoint

    def close(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def ids(self, number: int) -> DedupStore | None:
        """The ids of the movements that were proved; None where nothing was."""
        return self._stores.get(number) if number in self.proved else None

    def discard(self, number: int, reason: str) -> None:
        """Trust nothing of a partition any longer."""
        self.discarded[number] = reason
        self.forget(number)

    def forget(self, number: int) -> None:
        """Have nothing of a partition, as before its first round."""
        self.proved.pop(number, None)
        self._stores.pop(number, None)
        if self.folder is not None:
            shutil.rmtree(self._partition(number), ignore_errors=True)

    def advance(self, number: int, proved: Proved, ids: Hashes, content: Hashes, occurred_at: Ints) -> None:
        """Keep what a round has proved; the three columns are of the movements that the round adds."""
        if self.folder is None:
            return
        if number not in self.proved:
            self.forget(number)
            self._stores[number] = self._store(number)
        store = self._stores[number]
        store.newest_at = max(store.newest_at, proved.newest_at())
        store.add(ids, content, occurred_at, proved.log_to)
        self.proved[number] = proved
        try:
            store.save()
            self._write(number, proved)
        except OSError as error:
            logger.warning("%s cannot be written, the next audit proves more: %s", self.folder, error)

    def _store(self, number: int) -> DedupStore:
        return DedupStore(self._partition(number) / _IDS, self.owner.digest(), self.owner.keep)

    def _partition(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"partition-{number}"

    def _load(self, number: int) -> None:
        try:
            proved = self._read(number)
            if proved is None:
                return
            store = self._store(number)
            if store.reached_offset != proved.log_to:
                raise DistrustError("its ids are not those of the movements that were proved")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.discard(number, str(error) if isinstance(error, DistrustError) else f"it cannot be read: {error!r}")
        else:
            self.proved[number], self._stores[number] = proved, store

    def _read(self, number: int) -> Proved | None:
        try:
            said = json.loads((self._partition(number) / _PROVED).read_text())
        except FileNotFoundError:
            return None
        body = said["proved"]
        if said["hash"] != _hash(said["owner"], body):
            raise DistrustError("it is not what was written")
        if said["owner"] != self.owner.as_json():
            raise DistrustError("it is of another log, other topics or another version")
        if said["number"] != number:
            raise DistrustError("it is of another partition")
        return Proved.of_json(body)

    def _write(self, number: int, proved: Proved) -> None:
        folder = self._partition(number)
        folder.mkdir(parents=True, exist_ok=True)
        owner, body = self.owner.as_json(), json.loads(json.dumps(proved.as_json()))
        said = {"owner": owner, "number": number, "hash": _hash(owner, body), "proved": body}
        new = folder / f"{_PROVED}.new"
        with new.open("w") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, folder / _PROVED)


def _hash(owner: dict[str, Any], body: dict[str, Any]) -> str:
    return xxh3_64_hexdigest(_canonical([owner, body]))


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
