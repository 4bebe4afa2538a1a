"""The deduplication store remembers an id as long as it must, on disk and in memory."""

import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dedup.store import DedupStore

DAY = 86_400 * 10**6
KEEP = timedelta(days=35)


def open_store(folder: Path, log_id: str = "log", max_in_memory: int = 100) -> DedupStore:
    return DedupStore(folder, log_id, KEEP, max_in_memory)


def add(store: DedupStore, ids: range, reached: int, occurred_at: int = 0) -> None:
    numbers = np.array(ids, dtype=np.uint64)
    store.add(numbers, numbers * np.uint64(3), np.full(len(ids), occurred_at, dtype=np.int64), reached)


def found(store: DedupStore, ids: range) -> list[bool]:
    numbers = np.array(ids, dtype=np.uint64)
    known, content = store.look_up(numbers)
    assert (content[known] == numbers[known] * np.uint64(3)).all()
    return [bool(each) for each in known]


def test_what_was_added_is_found_with_its_content_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for start in range(0, 5000, 7):
        add(store, range(start, start + 7), start + 7)
    assert all(found(store, range(4900)))
    assert not any(found(store, range(10_000, 10_100)))
    assert len(store) == 5005


def test_it_comes_back_from_disk_with_the_offset_that_it_reached(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add(store, range(1000), 1234)
    store.save()
    again = open_store(tmp_path)
    assert again.reached_offset == 1234
    assert all(found(again, range(1000)))


def test_a_crash_loses_only_what_comes_after_the_offset_on_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add(store, range(100), 100)
    add(store, range(100, 150), 150)
    again = open_store(tmp_path)
    assert again.reached_offset == 100
    assert found(again, range(150)) == [True] * 100 + [False] * 50


def test_files_are_merged_and_the_merged_ones_removed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for start in range(0, 10_000, 100):
        add(store, range(start, start + 100), start + 100)
    assert len(list(tmp_path.glob("*.npy"))) < 25
    assert len(open_store(tmp_path)) == 10_000
    assert all(found(open_store(tmp_path), range(10_000)))


@pytest.mark.parametrize("damage", ["truncated", "changed", "gone", "no manifest", "torn manifest", "other hash"])
def test_a_damaged_store_is_thrown_away_whole(tmp_path: Path, damage: str) -> None:
    store = open_store(tmp_path)
    add(store, range(1000), 1000)
    (run,) = tmp_path.glob("*.npy")
    manifest = tmp_path / "manifest.json"
    match damage:
        case "truncated":
            run.write_bytes(run.read_bytes()[:-100])
        case "changed":
            run.write_bytes(run.read_bytes()[:-1] + b"\xff")
        case "gone":
            run.unlink()
        case "no manifest":
            manifest.unlink()
        case "torn manifest":
            manifest.write_text(manifest.read_text()[:-10])
        case "other hash":
            manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "algorithm": "md5"}))
    again = open_store(tmp_path)
    assert (len(again), again.reached_offset) == (0, 0)


def test_the_store_of_another_log_is_not_believed(tmp_path: Path) -> None:
    add(open_store(tmp_path), range(1000), 1000)
    assert len(open_store(tmp_path, log_id="a new log")) == 0


def test_an_id_is_forgotten_only_when_it_lies_more_than_35_days_back(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add(store, range(10), 10, occurred_at=DAY)
    store.newest_at = 36 * DAY
    store.save()
    again = open_store(tmp_path)
    assert all(found(again, range(10)))
    assert again.forgotten_before < 0
    add(again, range(10, 20), 20, occurred_at=DAY)
    again.newest_at += 1
    again.save()
    assert found(open_store(tmp_path), range(20)) == [True] * 10 + [False] * 10


def test_what_may_be_forgotten_is_noted_for_ever(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add(store, range(10), 10, occurred_at=DAY)
    store.newest_at = 40 * DAY
    store.save()
    assert store.forgotten_before == 5 * DAY
    again = open_store(tmp_path)
    again.newest_at = 0
    assert again.forgotten_before == 5 * DAY


def test_a_store_that_is_to_remember_for_longer_is_rebuilt_where_it_has_forgotten(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add(store, range(10), 10, occurred_at=39 * DAY)
    store.newest_at = 40 * DAY
    store.save()
    longer = DedupStore(tmp_path, "log", timedelta(days=60))
    assert longer.reached_offset == 10
    add(store, range(10, 20), 20, occurred_at=DAY)
    store.save()
    longer = DedupStore(tmp_path, "log", timedelta(days=60))
    assert (longer.reached_offset, longer.forgotten_before < 0) == (0, True)


def test_an_id_that_came_anew_after_it_was_forgotten_is_known_by_its_newest_content(tmp_path: Path) -> None:
    store = open_store(tmp_path, max_in_memory=10**6)
    ids = np.array([5], dtype=np.uint64)
    for day in (1, 40):
        store.newest_at = day * DAY
        store.add(ids, np.array([day], dtype=np.uint64), np.array([day * DAY], dtype=np.int64), day)
    assert store.look_up(ids)[1].tolist() == [40]
    store.save()
    assert open_store(tmp_path).look_up(ids)[1].tolist() == [40]


def test_what_cannot_be_written_stays_in_memory_and_is_written_when_it_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "seen"
    folder.write_text("in the way")
    store = open_store(folder)
    add(store, range(150), 150)
    assert "cannot be written, 150 ids stay in memory" in caplog.text
    assert all(found(store, range(150)))
    store.save()
    folder.unlink()
    store.save()
    assert all(found(open_store(folder), range(150)))
    assert open_store(folder).reached_offset == 150


def test_it_tries_to_write_after_pauses_that_grow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "seen"
    folder.write_text("in the way")
    store = open_store(folder)
    caplog.clear()
    for start in range(0, 10_000, 10):
        add(store, range(start, start + 10), start + 10)
    tried_at = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert tried_at == [100, 200, 400, 800, 1600, 3200, 4800, 6400, 8000, 9600]
    assert all(found(store, range(10_000)))


def test_a_merged_run_that_is_one_of_its_parts_again_is_not_removed(tmp_path: Path) -> None:
    store = open_store(tmp_path, max_in_memory=10)
    for start in range(0, 70, 10):
        add(store, range(start, start + 10), start + 10)
    store.newest_at = 60 * DAY
    add(store, range(70, 80), 80, occurred_at=59 * DAY)
    again = open_store(tmp_path)
    assert (again.reached_offset, len(again)) == (80, 10)
    assert all(found(again, range(70, 80)))


UNIFORM = st.integers(0, 2**64 - 1)


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.one_of(st.integers(0, 40), UNIFORM), max_size=60), max_size=25),
    st.integers(0, 24),
    st.integers(1, 70_000),
)
def test_a_store_knows_what_a_set_knows_reopened_or_not(
    batches: list[list[int]], reopened_at: int, begins_with: int
) -> None:
    """From before its filter is full to after, and whatever is in memory and what in files."""
    with TemporaryDirectory() as folder:
        store = open_store(Path(folder), max_in_memory=50_000)
        add(store, range(1000, 1000 + begins_with), 1)
        known = set(range(1000, 1000 + begins_with))
        for number, batch in enumerate(batches):
            if number == reopened_at:
                store.save()
                store = open_store(Path(folder))
            ids = np.array(sorted(set(batch)), dtype=np.uint64)
            store.add(ids, ids * np.uint64(3), np.zeros(len(ids), dtype=np.int64), number + 2)
            known |= set(batch)
        asked = np.array([each for batch in batches for each in (*batch, *batch[:3])] + [0, 999, 1000], dtype=np.uint64)
        found_there, content = store.look_up(asked)
        assert found_there.tolist() == [each in known for each in asked.tolist()]
        assert (content[found_there] == asked[found_there] * np.uint64(3)).all()
