"""Numbers go between Arrow and NumPy as they are, and without pandas."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from schemas.arrow import arrow_of, numpy_of

NUMBERS = [3, -1, 2**40, 0]


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.uint64()])
def test_the_numbers_of_a_part_are_those(kind: pa.DataType) -> None:
    array = pa.array([9, 8, 7, 6, 5], kind)
    for part in (array, array[1:4], array[2:2]):
        assert numpy_of(part).tolist() == part.to_pylist()


@pytest.mark.parametrize("step", [1, 2, -1])
def test_there_and_back(step: int) -> None:
    numbers = np.array(NUMBERS, dtype=np.int64)[::step]
    assert arrow_of(numbers).to_pylist() == numbers.tolist()
    assert numpy_of(arrow_of(numbers)).tolist() == numbers.tolist()


def test_neither_a_fingerprint_nor_a_value_per_unit_loads_pandas() -> None:
    program = """
import sys
import polars as pl
from exporter.file.formats.numbers import values_per_unit
from schemas.partitioner import account_partition, account_partitions
from streams.dedup.fingerprints import content_hashes
from streams.events.table import EVENT_COLUMNS
from tests.unit.streams.test_outcome import event

content_hashes(pl.DataFrame([{**event(1), "row": 0}, {**event(2), "row": 1}], schema=EVENT_COLUMNS))
values_per_unit(pl.Series([5, 5]), pl.Series([60, 1]), ".")
account_partitions(pl.Series(["a", "b"]), 4), account_partition("a", 4)
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
