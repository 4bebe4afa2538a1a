"""A new version rolled out worker by worker, under load, and taken back: each event counts once, each export ends once.

Old and new workers are members of one group meanwhile, and each goes on with the offsets, notes, stores and records that the
other has left. Adjustments, which the old ones do not know, are published once all are new, as the documentation says. Those
that come while one is old again wait until it is new.
"""

import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS
from tests.chaos.earlier_version import earlier_version
from tests.chaos.exports import assert_each_export_ended_once
from tests.chaos.load import ACCOUNTS, Load
from tests.chaos.oracle import assert_each_event_counted_once
from tests.chaos.workers import Worker
from tests.chaos.world import World

EVENTS_PER_SECOND = 50
SIDE_BY_SIDE_SECONDS = 1.0
_AT_WORK_WITHIN_SECONDS = 60.0


class Fleet:
    """Workers of a world, each of one version now and of another later. `old`: the folder of the earlier version's code."""

    def __init__(self, world: World, old: Path) -> None:
        self._world = world
        self._old = old
        self._workers: dict[str, Worker] = {}

    def start(self, *names: str, is_old: bool) -> None:
        """Start workers, and wait until all of them have their share. A name begins with the command: `rate-1`."""
        for name in names:
            self._worker(name).start(code=self._old if is_old else None)
        for name in names:
            _eventually(self._worker(name).was_at_work, self._worker(name).log)

    def replace(self, name: str, *, is_old: bool, without_store: bool = False) -> None:
        """Stop a worker, and start one of the other version in its place, with its folder and its id. Then all work side by
        side for a while. `without_store`: the folder of its deduplication stores is deleted before."""
        self._worker(name).stop()
        if without_store:
            shutil.rmtree(self._folder(name) / "seen")
        self.start(name, is_old=is_old)
        time.sleep(SIDE_BY_SIDE_SECONDS)

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.stop()

    def _worker(self, name: str) -> Worker:
        if name not in self._workers:
            folder = self._folder(name)
            self._workers[name] = self._world.worker(name.split("-")[0], name, rater_id=name, data_dir=folder)
        return self._workers[name]

    def _folder(self, name: str) -> Path:
        return self._world.settings.data_dir / name


def _eventually(condition: Callable[[], bool], why: Callable[[], str]) -> None:
    deadline = time.monotonic() + _AT_WORK_WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


@pytest.fixture
def fleet(world: World, tmp_path: Path) -> Fleet:
    return Fleet(world, earlier_version(tmp_path / "earlier"))


def adjustments_wait(world: World) -> bool:
    """Whether some came that nobody has rated, and nothing else is left to rate."""
    return world.lag("rater") > 0 == world.lag("rater", (USAGE_EVENTS, TOP_UP_EVENTS))


def test_a_version_that_is_rolled_out_and_back_and_out_again_loses_and_doubles_nothing(
    world: World, fleet: Fleet
) -> None:
    asked = [(account, str(uuid.uuid4())) for account in ACCOUNTS[:3]]
    world.traffic.adjusts = False
    with Load(world.publish, EVENTS_PER_SECOND):
        fleet.start("rate-1", "rate-2", "sink", "export", is_old=True)
        world.ask(*asked[0])
        # The order of the documentation. From here on rate-1 is new and rate-2 old, in one group.
        fleet.replace("sink", is_old=False)
        fleet.replace("rate-1", is_old=False)
        fleet.replace("rate-2", is_old=False)
        world.traffic.adjusts = True
        world.wait_until_done("exporter")
        fleet.replace("export", is_old=False)
        for each in asked[:2]:
            world.ask(*each)
        # And back again, because something else was wrong with it.
        fleet.replace("rate-2", is_old=True)
        fleet.replace("sink", is_old=True)
        world.wait_until_done("exporter")
        fleet.replace("export", is_old=True)
        for each in asked:
            world.ask(*each)
    world.stack.flush()
    # What the old rater does not read waits for the new one. All else is done.
    _eventually(lambda: adjustments_wait(world), lambda: f"{world.lag('rater')} are not rated")
    world.wait_until_done("sink", "exporter")
    fleet.replace("rate-2", is_old=False, without_store=True)
    world.wait_until_done("rater", "sink")
    fleet.stop()
    print(f"{sum(world.published.values())} messages")
    assert_each_event_counted_once(world)
    assert_each_export_ended_once(world)
