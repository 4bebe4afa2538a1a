"""One movement out of ClickHouse, found by its id; and the adjustments that name it."""

from typing import Any, Final

from clickhouse_connect.driver.client import Client

from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.slice import SETTINGS, outages_named

Row = dict[str, Any]

# Without FINAL, so that the index of ids is used: only the key is asked for, which all versions of a row have in common.
_KEYS: Final = """
SELECT DISTINCT account_id, toUnixTimestamp64Micro(occurred_at) AS occurred_at_micros, toString(movement_id) AS movement_text
FROM credit_movements
WHERE %s
ORDER BY account_id, occurred_at_micros, movement_text
LIMIT 1000
"""
_BY_ID: Final = "movement_id = {movement_id:UUID}"
_OF_ACCOUNT: Final = " AND account_id = {account_id:String}"
_THAT_CORRECT: Final = "account_id = {account_id:String} AND corrected_movement_id = {movement_id:UUID}"
# The fields of CreditMovement under their names, and the row's place in the log. PREWHERE: see `slice`.
_ROWS: Final = """
SELECT
    toString(movement_id) AS movement_text,
    account_id,
    interaction_id,
    toString(description) AS description_text,
    toUnixTimestamp64Micro(occurred_at) AS occurred_at_micros,
    quantity,
    toString(unit) AS unit_text,
    units_charged,
    reinterpretAsInt64(price) AS price_nanos,
    price_units,
    reinterpretAsInt64(credit_movement) AS credit_movement_nanos,
    toString(currency) AS currency_text,
    user_id,
    destination,
    rate_card_id,
    destination_prefix,
    toUnixTimestamp64Micro(rate_effective_from) AS rate_effective_from_micros,
    toString(source_topic) AS source_topic_text,
    source_partition,
    source_offset,
    toString(corrected_movement_id) AS corrected_movement_text,
    reason,
    toString(direction) AS direction_text,
    from_number,
    toString(campaign_id) AS campaign_text,
    toString(destination_name) AS destination_name_text,
    toString(log_id) AS log_id_text,
    log_partition,
    log_offset
FROM credit_movements FINAL
PREWHERE account_id = {account_id:String}
  AND occurred_at = fromUnixTimestamp64Micro({occurred_at:Int64}, 'UTC')
  AND movement_id = {movement_id:UUID}
"""
# No alias is called as its column: ClickHouse would take the text for the column wherever it stands.
_NAMES: Final = {
    "movement_text": "movement_id",
    "description_text": "description",
    "occurred_at_micros": "occurred_at",
    "unit_text": "unit",
    "currency_text": "currency",
    "rate_effective_from_micros": "rate_effective_from",
    "source_topic_text": "source_topic",
    "corrected_movement_text": "corrected_movement_id",
    "direction_text": "direction",
    "campaign_text": "campaign_id",
    "destination_name_text": "destination_name",
    "log_id_text": "log_id",
}


def movements_of_id(client: Client, movement_id: str, account_id: str | None = None) -> list[Row]:
    """The movements of this id (a canonical UUID), by account: one, unless several accounts have an event of that id. Times are
    microseconds, money nanos; besides the fields of CreditMovement `log_id`, `log_partition` and `log_offset`.

    `account_id`: only this account's. Raises MovementsUnavailableError.
    """
    where = _BY_ID if account_id is None else _BY_ID + _OF_ACCOUNT
    return _rows(client, where, {"movement_id": movement_id, "account_id": account_id or ""})


def adjustments_of(client: Client, account_id: str, movement_id: str) -> list[Row]:
    """The account's adjustments that name this movement, by time. Raises MovementsUnavailableError."""
    found = _rows(client, _THAT_CORRECT, {"movement_id": movement_id, "account_id": account_id})
    return sorted(found, key=lambda row: (row["occurred_at"], row["movement_id"]))


def _rows(client: Client, where: str, parameters: dict[str, str]) -> list[Row]:
    with outages_named():
        keys = client.query(_KEYS % where, parameters=parameters, settings=WHOLE_ANSWER).result_rows
        found: list[Row] = []
        for account_id, occurred_at, movement_id in keys:
            key = {"account_id": account_id, "occurred_at": occurred_at, "movement_id": movement_id}
            rows = client.query(_ROWS, parameters=key, settings=SETTINGS).named_results()
            found += [{_NAMES.get(name, name): value for name, value in row.items()} for row in rows]
        return found
