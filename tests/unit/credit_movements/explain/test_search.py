"""How much of each partition is looked through."""

import pytest

from credit_movements.explain.search import shares
from kafka_io.positions import TopicPartition


@pytest.mark.parametrize(
    ("sizes", "most", "taken"),
    [
        ([], 10, []),
        ([1, 2, 3], 10, [1, 2, 3]),
        ([1, 100, 100], 11, [1, 5, 5]),
        ([100, 0, 100], 0, [0, 0, 0]),
        ([10**9], 100_000, [100_000]),
    ],
)
def test_small_partitions_are_read_whole_and_large_ones_alike(sizes: list[int], most: int, taken: list[int]) -> None:
    by_partition = {TopicPartition("usage-events", number): size for number, size in enumerate(sizes)}
    found = shares(by_partition, most)
    assert [found[partition] for partition in by_partition] == taken
    assert sum(found.values()) <= most
