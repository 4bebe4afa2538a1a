"""Rater, sink and exporter killed at random moments under load: no event is lost, and none is charged twice.

CREDIT_TEST_KILL_CYCLES (default 10, in `make soak` 500) is how often some of them are killed and started again.
CREDIT_TEST_SEED repeats a run.
"""

import os
import random
import shutil
import time
import uuid
from pathlib import Path

from tests.chaos import load
from tests.chaos.exports import assert_each_export_ended_once
from tests.chaos.load import Load
from tests.chaos.oracle import assert_each_event_counted_once
from tests.chaos.workers import Worker
from tests.chaos.world import World

CYCLES = int(os.environ.get("CREDIT_TEST_KILL_CYCLES", "10"))
EVENTS_PER_SECOND = 400
RECOVERED_WITHIN_SECONDS = 30.0
_ASKED_EVERY_SECONDS = 1.0


class Doomed:
    """A worker, and when it will be killed: sometimes while it starts, mostly soon after it got to work."""

    def __init__(self, worker: Worker, seed: int) -> None:
        self.worker = worker
        self.killed = self.killed_at_work = 0
        self._random = random.Random(f"{seed} {worker.command}")
        self.start()

    def start(self) -> None:
        self.worker.start()
        pick = self._random
        is_early = pick.random() < 0.25
        self._due = time.monotonic() + pick.uniform(0.1, 2.5) if is_early else None
        self._works_seconds = pick.uniform(0.0, 2.0)

    def is_due(self) -> bool:
        if self._due is None and self.worker.was_at_work():
            self._due = time.monotonic() + self._works_seconds
        return self._due is not None and time.monotonic() >= self._due

    def kill(self) -> None:
        self.killed += 1
        self.killed_at_work += self.worker.kill()

    def restart(self, data_dir: Path) -> None:
        if self.worker.command == "rate" and self._random.random() < 0.1:
            # It comes back on another machine, and knows nothing.
            shutil.rmtree(data_dir / "seen", ignore_errors=True)
        self.start()


class Asking:
    """Somebody who clicks «Export» now and then: once, twice in a row, or sends a request again."""

    def __init__(self, world: World, random_: random.Random) -> None:
        self._world = world
        self._random = random_
        self.asked: list[tuple[str, str]] = []

    def now_and_then(self) -> None:
        pick = self._random
        if self.asked and pick.random() < 0.1:
            self._world.ask(*pick.choice(self.asked))
        account = pick.choice(load.ACCOUNTS)
        for _ in range(pick.choice([0, 1, 1, 1, 2])):
            self.asked.append((account, str(uuid.UUID(int=pick.getrandbits(128), version=4))))
            self._world.ask(*self.asked[-1])


def test_whatever_is_killed_each_event_counts_once_and_each_export_ends_once(world: World, seed: int) -> None:
    doomed = [Doomed(world.worker(command), seed) for command in ("rate", "sink", "export")]
    asking = Asking(world, random.Random(seed))
    began = time.monotonic()
    with Load(world.publish, EVENTS_PER_SECOND):
        cycles = _kill_and_ask(doomed, asking, random.Random(seed), world)
    last_kill = time.monotonic()
    world.stack.flush()
    recovery_seconds = world.wait_until_done("rater", "sink", "exporter", seconds=RECOVERED_WITHIN_SECONDS)
    kills = {each.worker.command: f"{each.killed_at_work} of {each.killed}" for each in doomed}
    print(
        f"{cycles} cycles in {last_kill - began:.0f} s, killed at work: {kills}, {sum(world.published.values())} messages,"
        f" {len(asking.asked)} exports asked for, no lag {recovery_seconds:.1f} s after the last kill"
    )
    for each in doomed:
        each.worker.stop()
    assert min(each.killed_at_work for each in doomed) >= CYCLES // 10, f"hardly killed at work: {kills}"
    assert_each_event_counted_once(world)
    assert_each_export_ended_once(world)
    print(f"{time.monotonic() - began:.0f} s with the oracle")


def _kill_and_ask(doomed: list[Doomed], asking: Asking, pick: random.Random, world: World) -> int:
    cycles = 0
    asked_at = time.monotonic()
    while cycles < CYCLES:
        time.sleep(0.02)
        if time.monotonic() - asked_at > _ASKED_EVERY_SECONDS:
            asked_at = time.monotonic()
            asking.now_and_then()
        if not any(each.is_due() for each in doomed):
            continue
        # Now and then others go down with it.
        victims = [each for each in doomed if each.is_due() or pick.random() < 0.1]
        for each in victims:
            each.kill()
        for each in victims:
            each.restart(world.settings.data_dir)
        cycles += 1
    return cycles
