"""The partition of an account is the one that Java and aiokafka compute."""

import polars as pl
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitioner import account_partition, account_partitions


@pytest.mark.parametrize(
    ("key", "hash_of_java"),
    # From the unit test of murmur2 in Apache Kafka (UtilsTest).
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536),
     ("a-little-bit-longer-string", -1486304829), ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
     ("abc", 479470107)],
)  # fmt: skip
def test_it_hashes_as_java_does(key: str, hash_of_java: int) -> None:
    assert account_partition(key, 2**31 - 1) == (hash_of_java & 0x7FFFFFFF) % (2**31 - 1)


@given(st.lists(st.text(min_size=1, max_size=140)), st.integers(1, 100))
def test_a_whole_column_goes_where_each_key_goes(keys: list[str], partitions: int) -> None:
    expected = [(murmur2(key.encode()) & 0x7FFFFFFF) % partitions for key in keys]
    assert account_partitions(pl.Series(keys, dtype=pl.String), partitions).tolist() == expected
