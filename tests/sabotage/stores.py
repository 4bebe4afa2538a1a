"""The sabotages of deduplication stores: they are rebuilt wrongly, or from a snapshot that must be refused."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.dedup.catch_up import LogReader
from streams.dedup.files import Manifest, write_manifest
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.dedup.needed import Needed
from streams.dedup.progress import LogEnd
from streams.dedup.read_back import ReadBack
from streams.dedup.snapshots import Snapshot
from streams.dedup.store import DedupStore
from streams.rater import Rater


def log_not_read_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LogReader, "_add", lambda *_: None)


def unseen_commits_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DedupStore, "add_unseen", DedupStore.add)


def remember_before_commit(patch: pytest.MonkeyPatch) -> None:
    def write(rater: Any, batch: Any, outcomes: Any, *more: Any) -> None:
        stores, moved = rater._assignment.stores, outcomes.moved
        standing = {number: store.reached_offset for number, store in stores._ready.items()}
        ids, content = id_hashes(batch.events)[moved], content_hashes(batch.events)[moved]
        partitions, occurred_at = (outcomes.movements[name].to_numpy() for name in ("source_partition", "occurred_at"))
        stores.remember(partitions, ids, content, occurred_at, standing)
        honest(rater, batch, outcomes, *more)

    honest = Rater._write
    # They would be dropped with the abort.
    unseen_commits_are_believed(patch)
    patch.setattr(Rater, "_write", write)


def rebuilt_from_too_late(patch: pytest.MonkeyPatch) -> None:
    def needed(*given: Any) -> Needed:
        right = honest(*given)
        return replace(right, written_since=right.written_since + timedelta(days=20) // timedelta(microseconds=1))

    honest = Needed.of
    patch.setattr(Needed, "of", needed)


def rated_before_its_store_is_ready(patch: pytest.MonkeyPatch) -> None:
    def take_ready(reading: Any) -> dict[int, LogEnd]:
        unready = reading._stores.keys() - taken.setdefault(id(reading), set())
        taken[id(reading)] |= unready
        return dict.fromkeys(unready, LogEnd(0, 0))

    taken: dict[int, set[int]] = {}
    patch.setattr(ReadBack, "take_ready", take_ready)
    patch.setattr(ReadBack, "has_news", property(lambda reading: id(reading) not in taken))


def snapshot_of_any_log(patch: pytest.MonkeyPatch) -> None:
    def parsed(text: bytes, log_id: str, keep_micros: int) -> Manifest:
        return honest(text, json.loads(text)["log_id"], keep_micros)._replace(log_id=log_id)

    honest = Manifest.parsed
    patch.setattr(Manifest, "parsed", parsed)


def snapshot_without_a_run(patch: pytest.MonkeyPatch) -> None:
    def fetched(snapshot: Any, folder: Path, *_: Any) -> bool:
        text = snapshot._objects.manifest()
        manifest = Manifest.parsed(text, snapshot._log_id, snapshot._keep_micros)
        there = tuple(name for name in manifest.runs if snapshot._objects.fetch_runs([name], folder))
        write_manifest(folder, manifest._replace(runs=there).text())
        return True

    patch.setattr(Snapshot, "_fetched", fetched)
