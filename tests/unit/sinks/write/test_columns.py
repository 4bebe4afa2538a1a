"""Movements become Arrow columns with every digit and character as it was."""

from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sinks.write.columns import decimals, movement_columns

LARGEST_NANOS = 10**18 - 1


@given(st.lists(st.integers(-LARGEST_NANOS, LARGEST_NANOS)))
def test_nanos_become_decimals_to_the_last_digit(nanos: list[int]) -> None:
    column = decimals(np.array(nanos, dtype=np.int64))
    column.validate(full=True)
    assert column.to_pylist() == [Decimal(each).scaleb(-9) for each in nanos]


def test_the_ends_of_the_range_and_zero_are_exact() -> None:
    column = decimals(np.array([-LARGEST_NANOS, -1, 0, 1, LARGEST_NANOS], dtype=np.int64))
    texts = [str(each) for each in column.to_pylist()]
    assert texts == ["-999999999.999999999", "-1E-9", "0E-9", "1E-9", "999999999.999999999"]
    assert column.type == pa.decimal128(18, 9)


def test_each_row_says_where_it_lies_in_the_log() -> None:
    table = movement_columns(_movements(2), "a-log", np.array([3, 4]), np.array([7, 2**40]))
    assert table.select(["log_id", "log_partition", "log_offset"]).to_pylist() == [
        {"log_id": "a-log", "log_partition": 3, "log_offset": 7},
        {"log_id": "a-log", "log_partition": 4, "log_offset": 2**40},
    ]


def test_times_are_instants_in_utc_to_the_microsecond() -> None:
    table = movement_columns(_movements(1), "a-log", np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert table["occurred_at"].type == pa.timestamp("us", "UTC")
    assert table["occurred_at"].cast(pa.int64()).to_pylist() == [1_700_000_000_000_001]
    assert table["rate_effective_from"].to_pylist() == [None]


def test_no_movements_make_a_table_of_no_rows() -> None:
    none = np.zeros(0, np.int64)
    assert movement_columns(_movements(0), "a-log", none, none).num_rows == 0


def _movements(count: int) -> pl.DataFrame:
    texts = ["movement_id", "account_id", "interaction_id", "description", "unit", "currency", "user_id"]
    texts += ["destination", "rate_card_id", "destination_prefix", "source_topic", "corrected_movement_id", "reason"]
    texts += ["direction", "from_number", "campaign_id", "destination_name"]
    numbers = ["quantity", "units_charged", "price_nanos", "price_units", "credit_movement_nanos"]
    numbers += ["source_partition", "source_offset"]
    columns = {name: pl.Series([name] * count, dtype=pl.String) for name in texts}
    columns |= {name: pl.Series([1] * count, dtype=pl.Int64) for name in numbers}
    columns["occurred_at"] = pl.Series([1_700_000_000_000_001] * count, dtype=pl.Int64)
    columns["rate_effective_from"] = pl.Series([None] * count, dtype=pl.Int64)
    return pl.DataFrame(columns)
