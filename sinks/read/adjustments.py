"""What the ledger's adjustments say of the movements that they name."""

from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

from sinks.read.movements import read_blocks
from sinks.read.slice import WHOLE_SETTINGS

# An adjustment may have any time, so all of the ledger is asked. Without FINAL only the column of few topics is read of rows
# that are none. A row that was written twice is the same row, so DISTINCT counts it once.
_SELECT: Final = """
SELECT DISTINCT
    account_id,
    toString(assumeNotNull(corrected_movement_id)) AS movement_text,
    toString(movement_id) AS adjustment_text,
    toString(description) AS kind,
    reinterpretAsInt64(credit_movement) AS nanos
FROM credit_movements
WHERE source_topic = {source_topic:String} AND corrected_movement_id IS NOT NULL
"""
_COLUMNS: Final = {
    **dict.fromkeys(("account_id", "movement_text", "adjustment_text", "kind"), pl.String()),
    "nanos": pl.Int64(),
}


def adjustments_that_name_a_movement(client: Client, source_topic: str) -> pl.DataFrame:
    """All of them: `account_id`, `movement_text` (the id of the movement that it names), `adjustment_text` (its own id),
    `kind`, `nanos`. Raises MovementsUnavailableError."""
    blocks = list(read_blocks(client, _SELECT, {"source_topic": source_topic}, dict(WHOLE_SETTINGS)))
    return pl.concat(blocks) if blocks else pl.DataFrame(schema=_COLUMNS)
