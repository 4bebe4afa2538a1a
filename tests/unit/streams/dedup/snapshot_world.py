"""A storage with snapshots, and machines that begin with them."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.store import ObjectStore
from xxhash import xxh3_64_hexdigest

from streams.dedup.snapshots import Snapshot, Snapshots
from streams.dedup.store import DedupStore
from tests.unit.streams.dedup.test_store import KEEP, add

CLOSING_SECONDS = 20.0


class World:
    """A storage, and machines one after the other. `seconds` is what their clocks show; `failures` counts what went wrong."""

    def __init__(self, storage: ObjectStore, folder: Path) -> None:
        self.storage = storage
        self.folder = folder
        self.seconds = 0.0
        self.failures = 0
        self.snapshots = self.begin()

    def begin(self) -> Snapshots:
        self.snapshots = Snapshots(self.storage, lambda: self.seconds, self._fail)
        return self.snapshots

    def snapshot(self, log_id: str = "log", keep: timedelta = KEEP) -> Snapshot:
        return self.snapshots.of(log_id, 0, keep)

    def open(self, machine: str, log_id: str = "log", keep: timedelta = KEEP) -> DedupStore:
        store = DedupStore(self.folder / machine, log_id, keep, 100, self.snapshot(log_id, keep))
        store.begin_from_snapshot()
        return store

    def uploaded(self) -> None:
        """All that was offered is in the storage."""
        self.snapshots.close(CLOSING_SECONDS)
        self.snapshots._is_closing = False
        self.snapshots._thread = threading.Thread(target=self.snapshots._upload_all, daemon=True)

    def all_keys(self) -> list[str]:
        return sorted(each["path"] for chunk in obstore.list(self.storage) for each in chunk)

    def key(self, ending: str) -> str:
        return next(key for key in self.all_keys() if key.endswith(ending))

    def read(self, key: str) -> bytes:
        return bytes(obstore.get(self.storage, key).bytes())

    def write(self, key: str, value: bytes) -> None:
        obstore.put(self.storage, key, value)

    def rewrite_manifest(self, **changes: Any) -> None:
        """As somebody does who knows how it is sealed."""
        told = json.loads(self.read(self.key("manifest.json")).splitlines()[0])
        text = json.dumps(told | changes).encode()
        self.write(self.key("manifest.json"), text + b"\n" + xxh3_64_hexdigest(text).encode())

    def _fail(self) -> None:
        self.failures += 1


def fill(world: World, machine: str = "first", log_id: str = "log") -> DedupStore:
    """A store of several runs, saved and uploaded."""
    store = world.open(machine, log_id)
    for start in range(0, 350, 50):
        add(store, range(start, start + 50), start + 50)
    store.save()
    world.uploaded()
    return store
