"""An account's newest movements out of ClickHouse."""

from typing import Any, Final

from clickhouse_connect.driver.client import Client

from sinks.read.slice import SETTINGS, outages_named

# The order of the table backwards, so that the newest are read and no others. PREWHERE: see `slice`.
_NEWEST: Final = """
SELECT
    toString(movement_id) AS movement_text,
    toUnixTimestamp64Micro(occurred_at) AS occurred_at_micros,
    interaction_id,
    toString(description) AS description_text,
    reinterpretAsInt64(credit_movement) AS nanos,
    toString(currency) AS currency_text
FROM credit_movements FINAL
PREWHERE account_id = {account_id:String}
ORDER BY occurred_at DESC, movement_id DESC
LIMIT {most:Int64}
"""


def newest_movements(client: Client, account_id: str, most: int) -> list[dict[str, Any]]:
    """At most `most` of them, the newest first. Raises MovementsUnavailableError."""
    with outages_named():
        parameters = {"account_id": account_id, "most": most}
        rows = client.query(_NEWEST, parameters=parameters, settings=SETTINGS).named_results()
        return [
            {
                "movement_id": row["movement_text"],
                "occurred_at": row["occurred_at_micros"],
                "interaction_id": row["interaction_id"],
                "description": row["description_text"],
                "credit_movement_nanos": row["nanos"],
                "currency": row["currency_text"],
            }
            for row in rows
        ]
