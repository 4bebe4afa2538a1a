"""Each loop killed at each of its steps: a fresh worker finishes, and nothing is lost, doubled or changed.

The tests share their topics; each checks what came since it began.
"""

import uuid

import pytest

from tests.chaos import load
from tests.chaos.exports import assert_each_export_ended_once
from tests.chaos.killed_at import STEPS
from tests.chaos.oracle import Mark, assert_each_event_counted_once, mark
from tests.chaos.world import World
from tests.nursery import ForkedChild

# Several batches, with duplicates of what came in earlier ones.
EVENTS = 700
_DIES_WITHIN_SECONDS = 60.0


class Crew:
    """One worker of each kind, which runs or does not."""

    def __init__(self, world: World) -> None:
        self._workers = {command: world.worker(command) for command in STEPS}
        self._running: set[str] = set()

    def send_in(self, *commands: str) -> None:
        for command in commands:
            if command not in self._running:
                self._workers[command].start(begin=ForkedChild)
                self._running.add(command)

    def call_off(self, *commands: str) -> None:
        for command in self._running.intersection(commands):
            self._workers[command].stop()
            self._running.discard(command)

    def send_to_death(self, command: str, step: str, count: int) -> None:
        """Run one that is killed when it comes to the step for the `count`th time, and see it die."""
        worker = self._workers[command]
        worker.start(("tests.chaos.killed_at", step, str(count)), begin=ForkedChild)
        worker.see_killed(_DIES_WITHIN_SECONDS)


@pytest.fixture(scope="module")
def crew(world: World) -> Crew:
    return Crew(world)


@pytest.fixture
def since(world: World) -> Mark:
    return mark(world)


@pytest.mark.parametrize("step", STEPS["rate"])
def test_a_rater_that_is_killed(world: World, crew: Crew, since: Mark, step: str) -> None:
    crew.call_off("rate")
    crew.send_in("sink")
    world.publish(EVENTS)
    crew.send_to_death("rate", step, 2)
    crew.send_in("rate")
    world.wait_until_done("rater", "sink")
    assert_each_event_counted_once(world, since)


@pytest.mark.parametrize("step", STEPS["sink"])
def test_a_sink_that_is_killed(world: World, crew: Crew, since: Mark, step: str) -> None:
    crew.call_off("sink")
    crew.send_in("rate")
    world.publish(EVENTS)
    crew.send_to_death("sink", step, 2)
    crew.send_in("sink")
    world.wait_until_done("rater", "sink")
    assert_each_event_counted_once(world, since)


@pytest.mark.parametrize("step", STEPS["export"])
def test_an_exporter_that_is_killed(world: World, crew: Crew, step: str) -> None:
    crew.call_off("export")
    crew.send_in("rate", "sink")
    world.publish(100)
    world.stack.flush()
    for account_id in (load.ACCOUNTS[0], load.ACCOUNTS[1], load.ACCOUNTS[0]):
        world.ask(account_id, str(uuid.uuid4()))
    crew.send_to_death("export", step, 1)
    # What comes now belongs to another export, if this one had noted the end of the log.
    world.publish(100)
    world.wait_until_done("rater", "sink")
    crew.send_in("export")
    world.wait_until_done("exporter")
    assert_each_export_ended_once(world)
