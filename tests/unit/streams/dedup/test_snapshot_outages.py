"""A storage that is down delays nothing, and is told of once a minute."""

import logging
import threading
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError

from streams.dedup import snapshot_objects, snapshots
from tests.integration.stack import eventually
from tests.unit.streams.dedup.snapshot_world import CLOSING_SECONDS, World
from tests.unit.streams.dedup.test_store import add


class Outage:
    """obstore, until `is_over` with every call failing."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_over = threading.Event()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if not self.is_over.is_set():
                raise GenericError("no route\nand much more")
            return getattr(obstore, name)(*arguments, **more)

        return call


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    outage = Outage()
    monkeypatch.setattr(snapshot_objects, "obstore", outage)
    monkeypatch.setattr(snapshots, "_SECONDS_BEFORE_TRYING_AGAIN", 0.01)
    return outage


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_an_outage_of_the_storage_is_a_line_and_what_is_newest_is_uploaded_after_it(
    world: World, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    store = world.open("first")
    world.seconds = 100.0
    caplog.clear()
    for start in range(0, 300, 100):
        add(store, range(start, start + 100), start + 100)
    eventually(lambda: world.failures >= 5, CLOSING_SECONDS)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"waiting for snapshots since 0 s, trying again: uploading {world.snapshot()}: no route"
    ]
    outage.is_over.set()
    eventually(lambda: not world.snapshots._complaints.open, CLOSING_SECONDS)
    world.uploaded()
    assert world.open("second").reached_offset == 300


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_an_outage_holds_up_one_store_a_minute(world: World, outage: Outage) -> None:
    for machine in ("first", "second"):
        assert world.open(machine).reached_offset == 0
    assert outage.calls == 1
    world.seconds = 60.0
    world.open("third")
    assert outage.calls == 2


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_closing_waits_for_no_outage(world: World, outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_SECONDS_BEFORE_TRYING_AGAIN", 3600.0)
    store = world.open("first")
    add(store, range(100), 100)
    eventually(lambda: world.failures == 2, CLOSING_SECONDS)
    world.snapshots.close(CLOSING_SECONDS)
    assert not world.snapshots._thread.is_alive()


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "first").write_text("in the way")
    assert world.open("first").reached_offset == 0
