"""Raters and sinks that join and leave every second: partitions move from one to the other, and each event counts once.

They are threads of this process, made and run as the commands do it: a process takes longer than a second to start.
"""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from prometheus_client import CollectorRegistry

from credit_movements.settings import Settings
from credit_movements.workers.rater import make_rater
from credit_movements.workers.sink import run_sink
from tests.chaos.load import Load
from tests.chaos.oracle import assert_each_event_counted_once
from tests.chaos.world import World

STORM_SECONDS = 30
EVENTS_PER_SECOND = 300
_LEAVES_WITHIN_SECONDS = 30.0


class Seat:
    """One worker, running or not. It keeps its settings and its folder, so what it knows may be old when it runs again."""

    def __init__(self, run: Callable[[Settings, threading.Event], None], settings: Settings) -> None:
        self._run = run
        self._settings = settings
        self._stop = threading.Event()
        self._ended: Future[None] | None = None

    @property
    def is_taken(self) -> bool:
        return self._ended is not None and not self._stop.is_set()

    def change(self, pool: ThreadPoolExecutor) -> None:
        """Have somebody join, or leave."""
        if self.is_taken:
            self._stop.set()
            return
        self.check()
        self._stop = threading.Event()
        self._ended = pool.submit(self._run, self._settings, self._stop)

    def leave(self) -> None:
        self._stop.set()
        self.check()

    def check(self) -> None:
        """Who sat here has gone by now, and raises here what it ended with."""
        if self._ended is not None:
            self._ended.result(_LEAVES_WITHIN_SECONDS)


def run_rater(settings: Settings, stop: threading.Event) -> None:
    make_rater(settings, CollectorRegistry()).run(stop)


def test_raters_and_sinks_that_join_and_leave_every_second(world: World, seed: int) -> None:
    pick = random.Random(seed)
    raters = [Seat(run_rater, _settings_of(world, f"rater-{number}")) for number in range(3)]
    sinks = [Seat(run_sink, _settings_of(world, f"sink-{number}")) for number in range(3)]
    with ThreadPoolExecutor(len(raters + sinks)) as pool:
        try:
            with Load(world.publish, EVENTS_PER_SECOND):
                for _ in range(STORM_SECONDS):
                    pick.choice(raters).change(pool)
                    pick.choice(sinks).change(pool)
                    time.sleep(1)
            for seats in (raters, sinks):
                if not any(seat.is_taken for seat in seats):
                    seats[0].change(pool)
            world.stack.flush()
            seconds = world.wait_until_done("rater", "sink")
            print(f"no lag {seconds:.1f} s after the storm, {sum(world.published.values())} messages")
        finally:
            for seat in raters + sinks:
                seat.leave()
    assert_each_event_counted_once(world)


def _settings_of(world: World, name: str) -> Settings:
    return world.settings.model_copy(update={"rater_id": name, "data_dir": world.settings.data_dir / name})
