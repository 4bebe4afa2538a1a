"""A slice of one account's movements, how to ask ClickHouse for it, and what a question can fail with.

The log fixes the rows of a slice: a period and an end of the log bound them. So whoever asks again gets the same rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from kafka_io.errors import Outage
from sinks.read.consistency import WHOLE_ANSWER

BLOCK_ROWS: Final = 65_536
SETTINGS: Final = {
    **WHOLE_ANSWER,
    # Under FINAL, filtering before rows are merged brings superseded rows back.
    "optimize_move_to_prewhere_if_final": 0,
    "use_skip_indexes_if_final": 0,
    # Read in the order of the table instead of sorting all of it: memory stays flat, however slowly we take the rows.
    "optimize_read_in_order": 1,
    "read_in_order_use_buffering": 0,
    # Where it must sort after all, it does so on its disk.
    "max_bytes_before_external_sort": 256 * 1024 * 1024,
    "max_block_size": BLOCK_ROWS,
    # One thread reads and one formats. More would only wait for us and hold blocks in memory.
    "max_threads": 2,
    # Compressing takes longer than sending.
    "output_format_arrow_compression_method": "none",
}
# For a short answer that can wait until it is whole: one that is cut short is an error then, and not fewer rows.
WHOLE_SETTINGS: Final = {**SETTINGS, "wait_end_of_query": 1}

# PREWHERE looks at rows before they are merged, so that few are. It may only hold columns of the table's ORDER BY: all versions
# of a row have the same values there.
ROWS_OF_SLICE: Final = """
FROM credit_movements FINAL
PREWHERE account_id = {account_id:String}
  AND occurred_at >= fromUnixTimestamp64Micro({from_micros:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Micro({to_micros:Int64}, 'UTC')
WHERE credit_movement != 0
  AND (log_id != {log_id:String} OR (log_partition = {log_partition:Int32} AND log_offset < {log_end_offset:Int64}))
"""


class MovementsUnavailableError(Outage):
    """ClickHouse cannot be reached, refuses, or its answer was cut short: try again later."""


@dataclass(frozen=True)
class MovementsSlice:
    """The movements of `account_id` with `from_micros <= occurred_at < to_micros` (UTC). Of the log `log_id` only those of its
    partition `log_partition` before `log_end_offset`. Movements of an amount of 0 are left out."""

    account_id: str
    from_micros: int
    to_micros: int
    log_id: str
    log_partition: int
    log_end_offset: int


@contextmanager
def outages_named() -> Iterator[None]:
    """Around a question: whatever it can fail with becomes a MovementsUnavailableError of one line."""
    try:
        yield
    except (ClickHouseError, HTTPError, OSError, pa.ArrowInvalid) as error:
        raise MovementsUnavailableError(
            f"ClickHouse: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
