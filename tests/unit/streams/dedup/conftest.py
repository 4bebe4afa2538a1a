"""The kinds of storage that snapshots are kept in."""

import uuid
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from exporter.storage.objects import object_store
from tests.s3.storages import KINDS, CloudServer
from tests.unit.streams.dedup.snapshot_world import World


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    storage: ObjectStore
    if request.param == "memory":
        storage = MemoryStore()
    elif request.param == "file":
        storage = LocalStore(tmp_path / "storage", mkdir=True)
    else:
        server: CloudServer = request.getfixturevalue(request.param)
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        storage = object_store(f"{server.url}/{uuid.uuid4()}")
    return World(storage, tmp_path / "machines")
