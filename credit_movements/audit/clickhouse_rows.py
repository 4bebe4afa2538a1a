"""The rows of ClickHouse held against the log, whole rows and both ways."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from clickhouse_connect.driver.client import Client

from credit_movements.audit.log_partition import row_hashes, sums_by_currency
from sinks.read.movements import read_blocks
from sinks.read.slice import MovementsUnavailableError, outages_named

# As the exporter reads: FINAL counts a row that was written twice once, and nothing may be filtered before it.
_SETTINGS: Final = {
    "optimize_move_to_prewhere_if_final": 0,
    "use_skip_indexes_if_final": 0,
    "max_block_size": 65_536,
}
# FINAL reads the whole table, however little a question asks for. So there are few questions, and 24 bytes of a row are kept.
_ROWS_AT_ONCE: Final = 4_000_000
_COUNT: Final = """
SELECT log_partition, countIf(log_id = {log_id:String}), countIf(log_id != {log_id:String})
FROM credit_movements FINAL
GROUP BY log_partition
"""
_ROWS: Final = """
SELECT
    toInt64(log_partition) AS log_partition,
    log_offset,
    toString(movement_id) AS movement_id,
    account_id,
    interaction_id,
    toString(description) AS description,
    toUnixTimestamp64Micro(occurred_at) AS occurred_at,
    quantity,
    toString(unit) AS unit,
    units_charged,
    reinterpretAsInt64(price) AS price_nanos,
    price_units,
    reinterpretAsInt64(credit_movement) AS credit_movement_nanos,
    toString(currency) AS currency,
    user_id,
    destination,
    rate_card_id,
    destination_prefix,
    toUnixTimestamp64Micro(rate_effective_from) AS rate_effective_from,
    toString(source_topic) AS source_topic,
    toInt64(source_partition) AS source_partition,
    source_offset
FROM credit_movements FINAL
WHERE log_id = {log_id:String} AND log_partition IN {log_partitions:Array(Int32)}
"""
_SOME: Final = _ROWS + " AND log_offset IN {log_offsets:Array(Int64)} ORDER BY log_offset"


@dataclass(frozen=True)
class RowCounts:
    """Rows of this log by log partition, and how many are of other logs (an embedded one that has ended)."""

    of_log: dict[int, int]
    of_others: int


@dataclass(frozen=True)
class Rows:
    """The rows of one log partition: `table` has `log_offset` and the hash `row`, sorted; `sums` are nanos by currency of
    those that the sink has passed."""

    table: pl.DataFrame
    sums: Counter[str]


def count_rows(client: Client, log_id: str) -> RowCounts:
    """Raises MovementsUnavailableError."""
    with outages_named():
        found = client.query(_COUNT, parameters={"log_id": log_id}, settings=_SETTINGS).result_rows
    return RowCounts({int(row[0]): int(row[1]) for row in found if row[1]}, sum(int(row[2]) for row in found))


def together(counts: RowCounts, partitions: int) -> Iterator[list[int]]:
    """The partitions of the log, in groups to read at once."""
    group: list[int] = []
    rows = 0
    for number in range(partitions):
        count = counts.of_log.get(number, 0)
        if group and rows + count > _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(number)
        rows += count
    yield group


def read_rows(
    client: Client, log_id: str, sink_committed: dict[int, int], counts: RowCounts, dtypes: dict[str, Any]
) -> dict[int, Rows]:
    """All rows of the log partitions that `sink_committed` names. Fewer rows than were counted before mean that the stream was
    cut short. Raises MovementsUnavailableError.
    """
    kept = [pl.DataFrame(schema={"log_partition": pl.Int64, "log_offset": pl.Int64, "row": pl.UInt64})]
    sums: dict[int, Counter[str]] = {number: Counter() for number in sink_committed}
    parameters = {"log_id": log_id, "log_partitions": list(sink_committed)}
    for block in read_blocks(client, _ROWS, parameters, _SETTINGS):
        kept.append(block.select("log_partition", "log_offset", row_hashes(block, dtypes).alias("row")))
        for (number,), of_partition in block.group_by("log_partition"):
            passed = of_partition.filter(pl.col("log_offset") < sink_committed[int(number)])
            sums[int(number)].update(sums_by_currency(passed))
    tables = pl.concat(kept).partition_by("log_partition", as_dict=True, include_key=False)
    rows = {}
    for number in sink_committed:
        table = tables.get((number,), kept[0].drop("log_partition")).sort("log_offset", "row")
        if len(table) < counts.of_log.get(number, 0):
            raise MovementsUnavailableError(
                f"ClickHouse sent {len(table)} rows of {counts.of_log[number]} of log partition {number}"
            )
        rows[number] = Rows(table, sums[number])
    return rows


def rows_at(client: Client, log_id: str, log_partition: int, log_offsets: list[int]) -> list[dict[str, Any]]:
    """Whole rows, for examples. Raises MovementsUnavailableError."""
    parameters = {"log_id": log_id, "log_partitions": [log_partition], "log_offsets": log_offsets}
    with outages_named():
        return list(client.query(_SOME, parameters=parameters, settings=_SETTINGS).named_results())


def checksum(hashes: pl.Series) -> int:
    """The sum of the rows' hashes, 64 bits: the same in any order."""
    return int(hashes.to_numpy().sum(dtype=np.uint64))
