"""Raters that upload for one partition in any order, late and torn, deleting each other's runs: what is taken is right.

The log is a list of ids here. A rater's uploads wait until the test lets them go, also after another rater's, and the storage
may fail after any of their steps. Runs that no manifest names are deleted at once, so that what a day protects goes wrong too.
"""

import shutil
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import obstore
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from streams.dedup import snapshot_objects
from streams.dedup.snapshots import Snapshots
from streams.dedup.store import DedupStore
from tests.unit.streams.dedup.test_store import DAY, KEEP

RATERS = st.sampled_from(["one", "other"])


class FailingStorage:
    """obstore, which fails once `steps` of writing are done."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            if name in ("put", "delete"):
                self._steps -= 1
                if self._steps < 0:
                    raise GenericError("for a test")
            return getattr(obstore, name)(*arguments, **more)

        return call


class SnapshotMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.storage = MemoryStore()
        # Of each movement its id and when it occurred.
        self.log: list[tuple[int, int]] = []
        self.offers: list[tuple[Any, Any, Any]] = []
        self.stores: dict[str, DedupStore] = {}
        for name in ("one", "other"):
            self.open(name)

    def teardown(self) -> None:
        self.lose_all("one")
        shutil.rmtree(self.folder)

    def open(self, name: str) -> None:
        snapshots = Snapshots(self.storage, lambda: 0.0)
        snapshot = snapshots.of("log", 0, KEEP)
        store = DedupStore(self.folder / name, "log", KEEP, 4, snapshot)
        store.begin_from_snapshot()
        self.check(store)
        self.stores[name] = store
        snapshots.offer = lambda *offer: self.offers.append(offer)  # type: ignore[method-assign]

    def check(self, store: DedupStore) -> None:
        below = self.log[: store.reached_offset]
        assert store.reached_offset <= len(self.log)
        must = np.array([each for each, at in below if at >= store.forgotten_before], dtype=np.uint64)
        assert store.look_up(must)[0].all()
        assert store.forgotten_before <= store.newest_at - KEEP // timedelta(microseconds=1)

    @rule(name=RATERS, count=st.integers(1, 6), days=st.integers(0, 9))
    def rate(self, name: str, count: int, days: int) -> None:
        """It reads the log to its end, and adds to it. What it adds is some days newer than the newest."""
        self.read_log(name)
        store = self.stores[name]
        newest_at = max((at for _, at in self.log), default=0) + days * DAY
        store.newest_at = newest_at
        self.log += [((len(self.log) + each) * 0x9E3779B97F4A7C15 % 2**64, newest_at) for each in range(count)]
        self.read_log(name)

    @rule(name=RATERS)
    def read_log(self, name: str) -> None:
        store = self.stores[name]
        missing = self.log[store.reached_offset :]
        ids = np.array([each for each, _ in missing], dtype=np.uint64)
        store.add(ids, ids, np.array([at for _, at in missing], dtype=np.int64), len(self.log))
        self.check(store)

    @rule(name=RATERS)
    def save(self, name: str) -> None:
        self.stores[name].save()

    @rule(which=st.integers(0, 30), steps=st.one_of(st.just(1000), st.integers(0, 12)))
    def upload(self, which: int, steps: int) -> None:
        """Any one that waits; it goes on waiting, since what failed is tried again, and a paused rater tries late."""
        if self.offers:
            snapshot, manifest, runs = self.offers[-1 - which % len(self.offers)]
            with (
                patch.object(snapshot_objects, "obstore", FailingStorage(steps)),
                patch.object(snapshot_objects, "KEPT_UNNAMED", timedelta(0)),
                suppress(GenericError),
            ):
                snapshot.upload(manifest, runs)

    @rule(name=RATERS)
    def restart(self, name: str) -> None:
        self.open(name)

    @rule(name=RATERS)
    def lose_all(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        self.open(name)

    @rule(which=st.integers(0, 30))
    def lose_an_object(self, which: int) -> None:
        keys = sorted(each["path"] for chunk in obstore.list(self.storage) for each in chunk)
        if keys:
            obstore.delete(self.storage, keys[which % len(keys)])


TestSnapshotMachine = SnapshotMachine.TestCase
TestSnapshotMachine.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
