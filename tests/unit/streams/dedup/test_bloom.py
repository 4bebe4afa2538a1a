"""The filter never denies an id that was added, and denies most others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.dedup.bloom import BloomFilter
from streams.dedup.fingerprints import Hashes
from streams.dedup.runs import Run
from tests.unit.streams.dedup.test_runs import HASHES


def run_of(ids: Hashes) -> Run:
    return Run.of(ids, ids, np.zeros(len(ids), dtype=np.int64))


def uniform(seed: int, count: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


@given(st.lists(st.lists(HASHES, max_size=100), max_size=8))
def test_an_id_that_was_added_is_never_denied(batches: list[list[int]]) -> None:
    bloom = BloomFilter(0)
    added = np.zeros(0, dtype=np.uint64)
    for batch in batches:
        ids = np.array(batch, dtype=np.uint64)
        bloom.add(run_of(ids))
        added = np.append(added, ids)
        assert bloom.may_hold(added).all()


@pytest.mark.parametrize("capacity", [0, 200_001])
def test_none_of_many_is_denied_when_it_is_overfull(capacity: int) -> None:
    bloom = BloomFilter(capacity)
    ids = uniform(1, 400_000)
    for begin in range(0, len(ids), 150_000):
        bloom.add(run_of(ids[begin : begin + 150_000]))
    assert bloom.is_full
    assert bloom.may_hold(ids).all()


def test_a_full_one_denies_five_of_six_that_were_not_added_and_a_new_one_more() -> None:
    ids, others = uniform(1, 200_000), uniform(2, 100_000)
    full = BloomFilter(len(ids))
    full.add(run_of(ids))
    assert not full.is_full
    assert full.may_hold(others).mean() < 1 / 6
    new = BloomFilter.of([run_of(ids[:100_000]), run_of(ids[100_000:])])
    assert new.may_hold(ids).all()
    assert new.may_hold(others).mean() < 1 / 11
