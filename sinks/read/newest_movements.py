"""An account's newest movements out of ClickHouse: all, or those of some days, a type, a user or a prefix; and what the
destinations among them are called."""

from collections.abc import Collection
from dataclasses import dataclass
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
    toString(currency) AS currency_text,
    user_id,
    destination,
    toString(destination_name) AS destination_name_text
FROM credit_movements FINAL
PREWHERE {key}
WHERE {others}
ORDER BY occurred_at DESC, movement_id DESC
LIMIT {{most:Int64}}
"""
# No rate tells what it is called without the whole price list. The newest movements do, without FINAL: a name stays a name.
_NAMES: Final = """
SELECT prefix_text, argMax(name_text, at)
FROM (
    SELECT toString(destination_prefix) AS prefix_text, toString(destination_name) AS name_text, occurred_at AS at
    FROM credit_movements
    PREWHERE {key}
    ORDER BY occurred_at DESC
    LIMIT {{most:Int64}}
)
WHERE has({{prefixes:Array(String)}}, prefix_text) AND name_text != ''
GROUP BY prefix_text
"""
# More would take longer than the sums that these names stand beside.
_NAMED_BY_MOST: Final = 500_000
_ACCOUNT: Final = "account_id = {account_id:String}"
# By the field of WantedMovements that is given: first what the table is sorted by.
_KEY: Final = {
    "from_micros": "occurred_at >= fromUnixTimestamp64Micro({from_micros:Int64}, 'UTC')",
    "to_micros": "occurred_at < fromUnixTimestamp64Micro({to_micros:Int64}, 'UTC')",
    "before_micros": "occurred_at <= fromUnixTimestamp64Micro({before_micros:Int64}, 'UTC')",
}
_OTHERS: Final = {
    "description": "description = {description:String}",
    "user_id": "user_id = {user_id:String}",
    "destination_prefix": "destination_prefix = {destination_prefix:String}",
    "before_id": "(occurred_at, movement_id)"
    " < (fromUnixTimestamp64Micro({before_micros:Int64}, 'UTC'), {before_id:UUID})",
}


@dataclass(frozen=True)
class WantedMovements:
    """The movements of `account_id` with `from_micros <= occurred_at < to_micros` (UTC), and those alone that have this
    `description`, `user_id` and `destination_prefix` and are older than the movement `before`: its `occurred_at` in
    microseconds, and its id. None wants all."""

    account_id: str
    from_micros: int | None = None
    to_micros: int | None = None
    description: str | None = None
    user_id: str | None = None
    destination_prefix: str | None = None
    before: tuple[int, str] | None = None


def newest_movements(client: Client, wanted: WantedMovements, most: int) -> list[dict[str, Any]]:
    """At most `most` of them, the newest first. Raises MovementsUnavailableError."""
    parameters = _given(wanted) | {"most": most}
    others = " AND ".join(["true", *(text for name, text in _OTHERS.items() if name in parameters)])
    question = _NEWEST.format(key=_key(parameters), others=others)
    with outages_named():
        rows = client.query(question, parameters=parameters, settings=SETTINGS).named_results()
        return [
            {
                "movement_id": row["movement_text"],
                "occurred_at": row["occurred_at_micros"],
                "interaction_id": row["interaction_id"],
                "description": row["description_text"],
                "credit_movement_nanos": row["nanos"],
                "currency": row["currency_text"],
                "user_id": row["user_id"],
                "destination": row["destination"],
                "destination_name": row["destination_name_text"],
            }
            for row in rows
        ]


def destination_names(client: Client, wanted: WantedMovements, prefixes: Collection[str]) -> dict[str, str]:
    """What rates called the destinations of these `prefixes`: that of the newest movement of each, among the newest
    _NAMED_BY_MOST of the account and time that are `wanted`. What has not been used so lately is not there.

    Raises MovementsUnavailableError.
    """
    if not prefixes:
        return {}
    parameters = _given(wanted) | {"most": _NAMED_BY_MOST, "prefixes": list(prefixes)}
    with outages_named():
        found = client.query(_NAMES.format(key=_key(parameters)), parameters=parameters, settings=SETTINGS).result_rows
    return {str(prefix): str(name) for prefix, name in found}


def _given(wanted: WantedMovements) -> dict[str, Any]:
    before_micros, before_id = wanted.before or (None, None)
    given = {**vars(wanted), "before_micros": before_micros, "before_id": before_id}
    return {name: value for name, value in given.items() if value is not None}


def _key(parameters: dict[str, Any]) -> str:
    return " AND ".join([_ACCOUNT, *(text for name, text in _KEY.items() if name in parameters)])
