"""The rows of ClickHouse: how many there are, and those of some spans of the log, each as one hash."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import polars as pl
from clickhouse_connect.driver.client import Client

from credit_movements.audit.clickhouse.row_hashes import row_hash_in_sql
from kafka_io.reading import Span
from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.movements import read_blocks
from sinks.read.slice import MovementsUnavailableError, outages_named

# As the exporter reads: FINAL counts a row that was written twice once, and nothing may be filtered before it. A month is a
# partition of the table, so the versions of a row are in one of them. A month that is one part by now costs no merging.
_SETTINGS: Final = {
    **WHOLE_ANSWER,
    "optimize_move_to_prewhere_if_final": 0,
    "use_skip_indexes_if_final": 0,
    "do_not_merge_across_partitions_select_final": 1,
    "max_block_size": 65_536,
    "output_format_arrow_compression_method": "none",
}
# The audit keeps 24 bytes of a row and 54 of a movement.
_ROWS_AT_ONCE: Final = 4_000_000
NO_END: Final = 2**62
ALL_MONTHS: Final = 0
NO_MONTH: Final = 999_999
_FROM: Final = "if(log_partition < 0, 0, arrayElement({begins:Array(Int64)}, log_partition + 1))"
_UNTIL: Final = "if(log_partition < 0, 0, arrayElement({untils:Array(Int64)}, log_partition + 1))"
_COUNT: Final = f"""
SELECT
    log_partition,
    toYYYYMM(occurred_at) AS month,
    toString(currency) AS currency,
    log_id = {{log_id:String}} AS is_ours,
    log_offset < {_FROM} AS is_below,
    count() AS rows,
    toString(sum(toInt128(reinterpretAsInt64(credit_movement)))) AS nanos
FROM credit_movements FINAL
WHERE toYYYYMM(occurred_at) >= {{from_month:UInt32}} OR toYYYYMM(occurred_at) IN {{months:Array(UInt32)}}
GROUP BY log_partition, month, currency, is_ours, is_below
"""
_SPANS: Final = f"""
FROM credit_movements FINAL
WHERE log_id = {{log_id:String}} AND log_partition IN {{log_partitions:Array(Int32)}}
  AND log_offset >= {_FROM} AND log_offset < {_UNTIL}
  AND toYYYYMM(occurred_at) >= {{from_month:UInt32}} AND toYYYYMM(occurred_at) < {{until_month:UInt32}}
"""
_ROWS: Final = f"""
SELECT
    toInt64(log_partition) AS number,
    log_offset,
    {row_hash_in_sql("credit_movements")} AS row,
    reinterpretAsInt64(credit_movement) AS credit_movement_nanos,
    toString(currency) AS currency
{_SPANS}
"""
_SOME: Final = """
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
    source_offset,
    toString(corrected_movement_id) AS corrected_movement_id,
    reason,
    toString(direction) AS direction,
    from_number,
    toString(campaign_id) AS campaign_id,
    toString(destination_name) AS destination_name
FROM credit_movements FINAL
WHERE log_id = {log_id:String} AND log_partition = {log_partition:Int32} AND log_offset IN {log_offsets:Array(Int64)}
ORDER BY log_offset
"""


class Sum(NamedTuple):
    """So many movements, and their nanos."""

    movements: int
    nanos: int


Months = dict[int, dict[str, Sum]]
"""Month (YYYYMM, UTC) → currency → the movements that occurred in it."""


@dataclass(frozen=True)
class RowCounts:
    """Rows of this log by log partition: `below` its `begin` by months, and how many are not (`new`). `of_others`: how many
    rows are of other logs (an embedded one that has ended). Only of the months that were asked for. `has_strays`: some that are
    not below `begin` occurred before the month from which on all months were asked for."""

    below: dict[int, Months] = field(default_factory=dict)
    new: Counter[int] = field(default_factory=Counter)
    of_others: int = 0
    has_strays: bool = False


@dataclass(frozen=True)
class Rows:
    """The rows of a span of one log partition: `table` has `log_offset` and the hash `row`, sorted; `sums` are nanos by
    currency of those that the sink has passed."""

    table: pl.DataFrame
    sums: Counter[str]


def count_rows(
    client: Client,
    log_id: str,
    begins: Mapping[int, int],
    from_month: int = ALL_MONTHS,
    months: list[int] | None = None,
) -> RowCounts:
    """`begins`: log partition → offset. Rows of the months from `from_month` on, and of `months`, are counted. Raises
    MovementsUnavailableError."""
    parameters = {"log_id": log_id, "begins": _dense(begins, 0), "from_month": from_month, "months": months}
    with outages_named():
        found = client.query(_COUNT, parameters=parameters, settings=_SETTINGS).result_rows
    below: dict[int, Months] = {}
    new: Counter[int] = Counter()
    of_others, has_strays = 0, False
    for number, month, currency, is_ours, is_below, count, nanos in found:
        if not is_ours:
            of_others += int(count)
        elif is_below:
            below.setdefault(int(number), {}).setdefault(int(month), {})[currency] = Sum(int(count), int(nanos))
        else:
            new[int(number)] += int(count)
            has_strays |= int(month) < from_month
    return RowCounts(below, new, of_others, has_strays)


def together(counts: Mapping[int, int], numbers: list[int]) -> Iterator[list[int]]:
    """The partitions of the log, in groups to read at once. `counts`: partition → how much there is to read of it."""
    group: list[int] = []
    rows = 0
    for number in numbers:
        count = counts.get(number, 0)
        if group and rows + count > _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(number)
        rows += count
    if group:
        yield group


def read_rows(
    client: Client,
    log_id: str,
    spans: Mapping[int, Span],
    sink_committed: Mapping[int, int],
    from_month: int,
    until_month: int,
    kept_from: int,
) -> dict[int, Rows]:
    """The rows of `spans` (by log partition) that occurred in these months (YYYYMM, UTC). `kept_from`: see `row_hash_in_sql`.

    An answer that was cut short is not noticed here: count first. Raises MovementsUnavailableError.
    """
    kept = [pl.DataFrame(schema={"number": pl.Int64, "log_offset": pl.Int64, "row": pl.UInt64})]
    sums: dict[int, Counter[str]] = {number: Counter() for number in spans}
    passed = pl.DataFrame(
        {"number": list(spans), "committed": [sink_committed.get(number, NO_END) for number in spans]},
        schema={"number": pl.Int64, "committed": pl.Int64},
    )
    parameters = {
        "log_id": log_id,
        "log_partitions": list(spans),
        "begins": _dense({number: span.begin for number, span in spans.items()}, 0),
        "untils": _dense({number: span.until for number, span in spans.items()}, 0),
        "from_month": from_month,
        "until_month": until_month,
        "kept_from": kept_from,
    }
    for block in read_blocks(client, _ROWS, parameters, _SETTINGS) if spans else ():
        kept.append(block.select("number", "log_offset", "row"))
        counted = block.join(passed, on="number").filter(pl.col("log_offset") < pl.col("committed"))
        nanos = pl.col("credit_movement_nanos").cast(pl.Int128).sum()
        for number, currency, total in counted.group_by("number", "currency").agg(nanos).iter_rows():
            sums[int(number)][currency] += int(total)
    tables = pl.concat(kept).partition_by("number", as_dict=True, include_key=False)
    empty = kept[0].drop("number")
    return {number: Rows(tables.get((number,), empty).sort("log_offset", "row"), sums[number]) for number in spans}


def check_whole(rows: Mapping[int, Rows], counts: Mapping[int, int]) -> None:
    """Fewer rows than were counted before mean that the stream was cut short. Raises MovementsUnavailableError."""
    for number, read in rows.items():
        if len(read.table) < counts.get(number, 0):
            raise MovementsUnavailableError(
                f"ClickHouse sent {len(read.table)} rows of {counts[number]} of log partition {number}"
            )


def rows_at(client: Client, log_id: str, log_partition: int, log_offsets: list[int]) -> list[dict[str, Any]]:
    """Whole rows, for examples. Raises MovementsUnavailableError."""
    parameters = {"log_id": log_id, "log_partition": log_partition, "log_offsets": log_offsets}
    with outages_named():
        return list(client.query(_SOME, parameters=parameters, settings=_SETTINGS).named_results())


def _dense(by_number: Mapping[int, int], otherwise: int) -> list[int]:
    """As an array that ClickHouse indexes by the partition's number."""
    return [by_number.get(number, otherwise) for number in range(max(by_number, default=-1) + 1)]
