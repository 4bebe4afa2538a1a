"""Adds up movements that ClickHouse has, by ClickHouse itself: what no sink had in memory, and ledgers of before."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from kafka_io.reading import Span
from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.summed.grains import (
    ACCOUNT,
    BY_KEY,
    BY_QUARTER,
    DESTINATION,
    KIND_MICROS,
    QUARTER_MICROS,
    TOP_UP,
    USER,
)
from sinks.write.insert import INSERT_SETTINGS

_MEASURES: Final = f"""
    count() AS movements,
    sumIf(toDecimal128(credit_movement, 9), unit != '') AS charges,
    sumIf(toDecimal128(credit_movement, 9), unit = '' AND description = '{TOP_UP}') AS top_ups,
    sumIf(toDecimal128(credit_movement, 9), unit = '' AND description != '{TOP_UP}') AS adjustments,
    max(occurred_at) AS newest_at
"""
_MICROS: Final = "toUnixTimestamp64Micro(occurred_at)"
_BEGIN: Final = f"fromUnixTimestamp64Micro({_MICROS} - positiveModulo({_MICROS}, %s), 'UTC')"
_OF_KIND: Final = f"transform(kind, {list(KIND_MICROS)}, {list(KIND_MICROS.values())}, 0)"
_BLOCK: Final = "log_offset - modulo(log_offset, {block_offsets:Int64})"
_NAMES: Final = "log_id, log_partition, log_block, movements, charges, top_ups, adjustments, newest_at"
_PLACE: Final = f"toString(log_id) AS log, log_partition, {_BLOCK} AS block"
_QUARTERS: Final = f"""
INSERT INTO {BY_QUARTER} (account_id, quarter, description, rate_card_id, currency, {_NAMES})
SELECT
    account_id,
    {_BEGIN % QUARTER_MICROS} AS begin,
    description,
    ifNull(rate_card_id, '') AS card,
    currency,
    {_PLACE},
    {_MEASURES}
FROM %s
GROUP BY account_id, begin, description, card, currency, log, log_partition, block
"""
_KEYED: Final = f"""
INSERT INTO {BY_KEY} (account_id, kind, since, key, currency, {_NAMES})
SELECT
    account_id,
    each.1 AS kind,
    {_BEGIN % _OF_KIND} AS begin,
    each.2 AS key,
    currency,
    {_PLACE},
    {_MEASURES}
FROM %s
ARRAY JOIN [
    ('{ACCOUNT}', ''),
    ('{USER}', if(has({{erased:Array(String)}}, account_id), '', ifNull(user_id, ''))),
    ('{DESTINATION}', ifNull(destination_prefix, ''))
] AS each
WHERE kind = '{ACCOUNT}' OR key != ''
GROUP BY account_id, kind, begin, key, currency, log, log_partition, block
"""
# A few blocks. The index over places in the log finds them, which FINAL would not use; a row that was written twice has the
# same offset.
_SPAN: Final = """
(
    SELECT * FROM credit_movements
    WHERE log_id = {log_id:String} AND log_partition = {log_partition:Int32}
      AND log_offset >= {begin:Int64} AND log_offset < {until:Int64}
    LIMIT 1 BY log_offset
)
"""
_MONTH: Final = """
(
    SELECT * FROM credit_movements FINAL
    WHERE _partition_id = {month:String} AND log_id = {log_id:String} AND log_partition IN {log_partitions:Array(Int32)}
      AND log_offset >= arrayElement({begins:Array(Int64)}, log_partition + 1)
      AND log_offset < arrayElement({untils:Array(Int64)}, log_partition + 1)
)
"""
_MONTHS: Final = "SELECT DISTINCT _partition_id FROM credit_movements ORDER BY _partition_id"
_SETTINGS: Final = {**WHOLE_ANSWER, **INSERT_SETTINGS, "do_not_merge_across_partitions_select_final": 1}
# A month of many small accounts has nearly as many sums as movements: beyond this they are kept on ClickHouse's disk.
_MONTH_SETTINGS: Final = {**_SETTINGS, "max_bytes_before_external_group_by": 1 << 30}


def sum_span(
    client: Client, log_id: str, log_partition: int, span: Span, block_offsets: int, without_users: Sequence[str]
) -> None:
    """Write the sums of a few blocks of which ClickHouse has all movements. `span` begins and ends with a block. No sums by
    user of the accounts `without_users`.

    Raises clickhouse_connect's OperationalError where ClickHouse cannot be reached, DatabaseError where it refuses.
    """
    parameters = {
        "log_id": log_id,
        "log_partition": log_partition,
        "begin": span.begin,
        "until": span.until,
        "block_offsets": block_offsets,
        "erased": list(without_users),
    }
    _insert(client, _SPAN, parameters, _SETTINGS)


def sum_month(
    client: Client,
    log_id: str,
    month: str,
    spans: Mapping[int, Span],
    block_offsets: int,
    without_users: Sequence[str],
) -> None:
    """The same for the movements of a month, of many blocks of many partitions. `spans`: by log partition."""
    dense = [spans.get(number, Span(0, 0)) for number in range(max(spans) + 1)]
    parameters = {
        "log_id": log_id,
        "month": month,
        "log_partitions": list(spans),
        "begins": [span.begin for span in dense],
        "untils": [span.until for span in dense],
        "block_offsets": block_offsets,
        "erased": list(without_users),
    }
    _insert(client, _MONTH, parameters, _MONTH_SETTINGS)


def months(client: Client) -> list[str]:
    """The partitions of the table of movements that have rows: the months in which they happened."""
    return [str(month) for (month,) in client.query(_MONTHS, settings=WHOLE_ANSWER).result_rows]


def _insert(client: Client, movements: str, parameters: dict[str, Any], settings: dict[str, Any]) -> None:
    for question in (_QUARTERS, _KEYED):
        client.command(question % movements, parameters=parameters, settings=settings)
