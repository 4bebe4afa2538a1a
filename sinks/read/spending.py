"""What an account's movements of a period add up to, by day, hour, description, user, destination or card."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from sinks.read.slice import SETTINGS, outages_named

_KEYS: Final = {
    "day": "toString(toDate(occurred_at, {time_zone:String}))",
    "hour": "formatDateTime(toStartOfHour(occurred_at, {time_zone:String}), '%Y-%m-%dT%H:00:00')",
    "description": "toString(description)",
    "user": "user_id",
    "destination": "destination_prefix",
    "card": "rate_card_id",
}
_ROWS: Final = """
SELECT
    tuple({keys}) AS key,
    toString(currency) AS currency_text,
    count() AS movements,
    sumIf(toDecimal128(credit_movement, 9), unit != '') AS charges,
    sumIf(toDecimal128(credit_movement, 9), description = 'top-up') AS top_ups,
    sumIf(toDecimal128(credit_movement, 9), unit = '' AND description != 'top-up') AS adjustments,
    sum(toDecimal128(credit_movement, 9)) AS net
FROM credit_movements FINAL
PREWHERE account_id = {{account_id:String}}
  AND occurred_at >= fromUnixTimestamp64Micro({{start:Int64}}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Micro({{end:Int64}}, 'UTC')
WHERE {only}
GROUP BY key, currency_text
ORDER BY key, currency_text
"""


def spending(
    client: Client,
    account_id: str,
    start: datetime,
    end: datetime,
    by: Sequence[str],
    time_zone: str = "UTC",
    only: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """A row has `key` (a tuple), `currency`, `movements`, `charges`, `top_ups`, `adjustments` and `net` (Decimal)."""
    only = only or {}
    with outages_named():
        found = client.query(
            _ROWS.format(
                keys=", ".join(_KEYS[each] for each in by),
                only=" AND ".join(["true", *(f"{_KEYS[each]} = {{only_{each}:String}}" for each in only)]),
            ),
            parameters={
                **{f"only_{name}": key for name, key in only.items()},
                "account_id": account_id,
                "start": int(start.timestamp()) * 1_000_000,
                "end": int(end.timestamp()) * 1_000_000,
                "time_zone": time_zone,
            },
            settings=SETTINGS,
        ).named_results()
        return [
            {**row, "key": tuple(key or None for key in row["key"]), "currency": row["currency_text"]} for row in found
        ]
