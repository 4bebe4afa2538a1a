"""The rater's disk is full or out of reach: it goes on rating, says so, and what it should have written is rebuilt."""

from functools import partial
from pathlib import Path

import pytest

import streams.dedup.stores
from streams.dedup.store import DedupStore
from tests.faults.rater_process import RaterProcess
from tests.faults.world import World
from tests.integration.stack import eventually

MANY = 6_000


def test_a_full_disk_stops_no_rater_and_charges_nobody_twice(world: World, tmp_path: Path) -> None:
    rater = RaterProcess(world.settings, tmp_path, max_in_memory=1_000, largest_file_bytes=20_000)
    try:
        for first in range(0, MANY, MANY // 3):
            world.publish_usage(first, MANY // 3, account_id="acme")
            eventually(lambda: world.stack.is_rated())
        world.publish_usage(0, MANY, account_id="acme")
        eventually(lambda: world.stack.is_rated())
        rater.stop()
    finally:
        rater.wait_or_kill(0.0)
    said = rater.log_path.read_text()
    assert "cannot be written, " in said
    assert "Traceback" not in said
    # What it could not write is a projection of the log: the next one, with room on its disk, reads it from there.
    world.publish_usage(0, MANY, account_id="acme")
    world.stack.rate_everything()
    assert world.in_log() == (MANY, MANY)


def test_a_folder_that_is_back_is_written_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streams.dedup.stores, "DedupStore", partial(DedupStore, max_in_memory=100))
    seen = world.settings.data_dir / "seen"
    seen.write_text("in the way")
    with world.stack.rating():
        # What the newest commit of a partition wrote is in no file, however much it is.
        for first in (0, 500):
            rated(world, first, 500)
        eventually(lambda: "cannot be written" in caplog.text)
        seen.unlink()
        for first in (1_000, 3_500):
            rated(world, first, 2_500)
        eventually(lambda: any(seen.glob("*/manifest.json")))
        rated(world, 0, 6_000)
    world.publish_usage(0, 6_000)
    world.stack.rate_everything()
    assert world.in_log() == (6_000, 6_000)


def rated(world: World, first: int, count: int) -> None:
    """Publish events for the rater at work, and wait until none is left."""
    world.publish_usage(first, count)
    eventually(lambda: world.stack.is_rated())
