"""The usage of all accounts out of ClickHouse, in blocks: what a price list is tried on.

Blocks come by account and time, as the table has them. A stream that was cut short is noticed as in `movements`: the rows are
counted first. Rows that come meanwhile may be among those sent, and none goes away, so fewer than counted are too few.
"""

from collections.abc import Generator
from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

from sinks.read.movements import read_blocks
from sinks.read.slice import SETTINGS, MovementsUnavailableError, outages_named

# A month's rows lie in its partition alone, and so does whatever a row was written twice with.
_SETTINGS: Final = {**SETTINGS, "do_not_merge_across_partitions_select_final": 1}
_ROWS: Final = """
FROM credit_movements FINAL
PREWHERE occurred_at >= fromUnixTimestamp64Micro({from_micros:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Micro({to_micros:Int64}, 'UTC')
WHERE source_topic = {source_topic:String}
"""
_COUNT: Final = f"SELECT count() {_ROWS}"
_IDS: Final = "toString(movement_id) AS movement_text, interaction_id,"
_SELECT: Final = f"""
SELECT
    %s
    account_id,
    toString(description) AS usage_type,
    quantity,
    destination,
    toUnixTimestamp64Micro(occurred_at) AS occurred_at_micros,
    reinterpretAsInt64(credit_movement) AS movement_nanos,
    toString(currency) AS currency_code,
    destination_prefix
{_ROWS}
"""
_IN_ORDER: Final = "ORDER BY account_id, occurred_at, UUIDToNum(movement_id)"


def count_usage(client: Client, from_micros: int, to_micros: int, source_topic: str) -> int:
    """How many movements of usage occurred in `from_micros` to `to_micros` (exclusive). Raises MovementsUnavailableError."""
    parameters = {"from_micros": from_micros, "to_micros": to_micros, "source_topic": source_topic}
    with outages_named():
        return int(client.query(_COUNT, parameters=parameters, settings=_SETTINGS).result_rows[0][0])


def stream_usage(
    client: Client, from_micros: int, to_micros: int, source_topic: str, expected: int, *, with_ids: bool
) -> Generator[pl.DataFrame, None, None]:
    """These movements, with the ids of movement and interaction only where they are asked for: they are half of all bytes.

    `client` serves one stream at a time. `expected` is what `count_usage` has counted. Raises MovementsUnavailableError.
    """
    parameters = {"from_micros": from_micros, "to_micros": to_micros, "source_topic": source_topic}
    question = _SELECT % _IDS + _IN_ORDER if with_ids else _SELECT % ""
    received = 0
    for block in read_blocks(client, question, parameters, _SETTINGS):
        received += len(block)
        yield block
    if received < expected:
        raise MovementsUnavailableError(f"ClickHouse sent {received} rows of {expected}")
