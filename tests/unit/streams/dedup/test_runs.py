"""Every run finds what a plain dict would, however its hashes lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.dedup.fingerprints import Hashes
from streams.dedup.runs import Run, look_up, merged

LAST = 2**64 - 1
NEAR = st.integers(0, 60)
# Uniform ones; clusters at both ends, in the middle, and just around the edges of buckets.
HASHES = st.one_of(
    st.integers(0, LAST),
    NEAR,
    NEAR.map(lambda near: LAST - near),
    NEAR.map(lambda near: 2**63 - 30 + near),
    st.builds(lambda bucket, near: (bucket * 2**58 + near) % 2**64, st.integers(0, 63), st.integers(-1, 1)),
)
ENTRIES = st.lists(st.tuples(HASHES, st.integers(0, LAST), st.integers(-(2**62), 2**62)), max_size=300)


def run_of(entries: list[tuple[int, int, int]]) -> Run:
    ids, content, occurred_at = (list(column) for column in zip(*entries, strict=True)) if entries else ([], [], [])
    return Run.of(
        np.array(ids, dtype=np.uint64), np.array(content, dtype=np.uint64), np.array(occurred_at, dtype=np.int64)
    )


def newest(entries: list[tuple[int, int, int]]) -> dict[int, tuple[int, set[int]]]:
    """Id → when its newest entry occurred, and the content of its entries of that time."""
    found: dict[int, tuple[int, set[int]]] = {}
    for each, content, at in entries:
        if each not in found or at > found[each][0]:
            found[each] = at, {content}
        elif at == found[each][0]:
            found[each][1].add(content)
    return found


def asked(entries: list[tuple[int, int, int]], others: list[int], times: int) -> Hashes:
    """Ids that are there, their neighbours, and others; so often that they are few or many for a search."""
    ids = [each + step for each, _, _ in entries for step in (-1, 0, 1)] + others
    return np.array([each % 2**64 for each in ids] * times, dtype=np.uint64)


@given(ENTRIES, st.lists(HASHES, max_size=50), st.sampled_from([1, 30]))
def test_a_run_knows_what_a_dict_knows(entries: list[tuple[int, int, int]], others: list[int], times: int) -> None:
    ids = asked(entries, others, times)
    known, content = look_up([run_of(entries)], ids)
    expected = newest(entries)
    assert known.tolist() == [each in expected for each in ids.tolist()]
    assert all(each in expected[one][1] for one, each in zip(ids[known].tolist(), content[known].tolist(), strict=True))


@given(st.lists(ENTRIES, min_size=1, max_size=5), st.sampled_from([1, 30]), st.integers(-(2**62), 2**62))
def test_merged_runs_know_what_is_young_enough_and_of_an_id_the_newest(
    parts: list[list[tuple[int, int, int]]], times: int, forget_before: int
) -> None:
    together = [entry for part in parts for entry in part]
    run = merged([run_of(part) for part in parts], forget_before)
    kept = [entry for entry in together if entry[2] >= forget_before]
    assert len(run) == len(kept)
    ids = asked(together, [], times)
    known, content = look_up([run], ids)
    expected = newest(kept)
    assert known.tolist() == [each in expected for each in ids.tolist()]
    assert all(each in expected[one][1] for one, each in zip(ids[known].tolist(), content[known].tolist(), strict=True))


@pytest.mark.parametrize("step", [2, 2**21, 2**45, 0x9E3779B97F4A7C15])
def test_in_a_large_run_all_ids_are_found_whether_they_are_clustered_or_uniform(step: int) -> None:
    ids = np.random.default_rng(1).permutation(30_000).astype(np.uint64) * np.uint64(step)
    run = Run.of(ids, ids, np.zeros(len(ids), dtype=np.int64))
    for near in (-1, 0, 1):
        asked = run.ids + np.uint64(near % 2**64)
        assert (run.find(asked) == np.minimum(np.searchsorted(run.ids, asked), len(run) - 1)).all()


def test_of_several_runs_the_last_one_counts() -> None:
    first, last = ([(5, content, 0)] for content in (1, 2))
    assert look_up([run_of(first), run_of(last)], np.array([5], dtype=np.uint64))[1].tolist() == [2]


def test_each_row_of_a_run_lies_in_one_piece() -> None:
    """A search would otherwise fetch the content and the time of each id that it looks at."""
    parts = [run_of([(each, 0, 0) for each in range(begin, 100, 7)]) for begin in range(7)]
    assert parts[0].data.flags.c_contiguous
    assert merged(parts, 0).data.flags.c_contiguous
