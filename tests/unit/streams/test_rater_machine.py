"""The rater's core against a model, in any order of deliveries, crashes, restarts and lost or old stores.

Kafka is a list here: the source partition, the log of movements, the dead letters, and the committed offset, which change
together as in a transaction. The store, the fingerprints, the checks and the rating are the real ones.
"""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from credit_movements.demo.oracle import Oracle
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.dedup.store import DedupStore
from streams.events.table import EVENT_COLUMNS, events_of_movements
from streams.outcome import KnownIds, check_batch, classify, refusals_of
from tests.limits import LIMITS
from tests.prices import price_list
from tests.unit.streams.test_outcome import event, rate, top_up

PARTITION = event(0)["partition"]
RATES = [rate(), rate(usage_type="sms", unit="fragments")]
PRICES = price_list(RATES)
some_events = st.one_of(
    st.builds(
        lambda number, fields: event(number, **fields),
        st.integers(0, 12),
        st.fixed_dictionaries(
            {}, optional={"quantity": st.sampled_from([-1, 1, 61]), "usage_type": st.sampled_from(["sms", "fax"])}
        ),
    ),
    st.builds(top_up, st.integers(0, 12)),
)


class RaterMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.source: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.letters: list[tuple[int, str]] = []
        self.duplicates = 0
        self.committed = 0
        self.start()

    def teardown(self) -> None:
        while self.committed < len(self.source):
            self.turn(size=7, crash="nowhere")
        oracle = Oracle(RATES, [])
        outcomes = [oracle.outcome(each) for each in self.source]
        moved = [offset for offset, (kind, _) in enumerate(outcomes) if kind == "movement"]
        assert [line["source_offset"] for line in self.log] == moved
        refused = [(offset, reason) for offset, (kind, reason) in enumerate(outcomes) if kind == "refused"]
        assert self.letters == refused
        assert self.duplicates == len(outcomes) - len(moved) - len(refused)
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """On assignment: open the store and bring it up to date from the log."""
        self.store = DedupStore(self.folder / "store", "log", timedelta(days=35), max_in_memory=8)
        missing = self.log[self.store.reached_offset :]
        if missing:
            events = events_of_movements(pl.DataFrame(missing, schema=self.columns))
            self.store.add(id_hashes(events), content_hashes(events), events["occurred_at"].to_numpy(), len(self.log))

    @rule(events=st.lists(some_events, min_size=1, max_size=6))
    def publish(self, events: list[dict[str, Any]]) -> None:
        for each in events:
            self.source.append({**each, "partition": PARTITION, "offset": len(self.source)})

    @rule(
        size=st.integers(1, 9), crash=st.sampled_from(["nowhere", "nowhere", "before the commit", "after the commit"])
    )
    @precondition(lambda self: self.committed < len(self.source))
    def turn(self, size: int, crash: str) -> None:
        batch = self.source[self.committed : self.committed + size]
        events = pl.DataFrame([{**each, "row": row} for row, each in enumerate(batch)], schema=EVENT_COLUMNS)
        ids, content = id_hashes(events), content_hashes(events)
        self.store.newest_at = max(self.store.newest_at, max(each["recorded_at"] for each in batch))
        failed = check_batch(events, 12, LIMITS)
        outcomes = classify(events, failed, ids, content, KnownIds(*self.store.look_up(ids)), PRICES, LIMITS)
        if crash == "before the commit":
            self.start()
            return
        self.columns = outcomes.movements.schema
        self.log += outcomes.movements.to_dicts()
        self.letters += [(self.committed + row, check.reason.value) for row, check, _ in refusals_of(outcomes)]
        self.duplicates += len(outcomes.duplicates)
        self.committed += len(batch)
        if crash == "after the commit":
            self.start()
            return
        occurred_at = outcomes.movements["occurred_at"].to_numpy()
        self.store.add(ids[outcomes.moved], content[outcomes.moved], np.asarray(occurred_at), len(self.log))

    @rule()
    def restart_in_order(self) -> None:
        self.store.save()
        self.start()

    @rule()
    def lose_the_store(self) -> None:
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        self.start()

    @rule()
    def keep_a_copy(self) -> None:
        self.store.save()
        if (self.folder / "store").exists():
            shutil.copytree(self.folder / "store", self.folder / "copy", dirs_exist_ok=True)

    @rule()
    def put_an_old_copy_back(self) -> None:
        if (self.folder / "copy").exists():
            shutil.rmtree(self.folder / "store", ignore_errors=True)
            shutil.copytree(self.folder / "copy", self.folder / "store")
            self.start()

    @rule(cut=st.integers(1, 40))
    def tear_a_file(self, cut: int) -> None:
        self.store.save()
        for file in list((self.folder / "store").glob("*.npy"))[:1]:
            file.write_bytes(file.read_bytes()[:-cut])
        self.start()

    @invariant()
    def no_event_moved_twice(self) -> None:
        if hasattr(self, "log"):
            ids = [line["movement_id"] for line in self.log]
            assert len(ids) == len(set(ids))


TestRaterMachine = RaterMachine.TestCase
TestRaterMachine.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
