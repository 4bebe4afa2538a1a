"""The storages that snapshots are kept in, here."""

from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from tests.unit.streams.dedup.snapshot_world import World


@pytest.fixture(params=["memory", "disk"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    storage = MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "storage", mkdir=True)
    return World(storage, tmp_path / "machines")
