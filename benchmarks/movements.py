"""Accounts' last month of movements, made by ClickHouse itself."""

import time
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.read.movements import MovementsSlice

ACCOUNT = "acme"
_DAY_MICROS = 86_400 * 10**6
# A day less than an export covers.
_DAYS = 29
_PIECE_ROWS = 1_000_000
# In time order, as a sink would insert them. One in a thousand is a top-up.
_INSERT = """
INSERT INTO credit_movements
SELECT
    %s,
    fromUnixTimestamp64Micro({from_micros:Int64} + {step_micros:Int64} * intDiv(number * 10, 11), 'UTC'),
    generateUUIDv4(),
    if(is_top_up, 'PAY-' || toString(number), 'CA' || lower(hex(sipHash64(number)))),
    if(is_top_up, 'top-up', ['call', 'sms', 'whatsapp', 'stt'][1 + number % 4]),
    if(is_top_up, 0, number % 600),
    if(is_top_up, '', ['seconds', 'fragments', 'messages', 'minutes'][1 + number % 4]),
    if(is_top_up, 0, 1 + number % 600) AS charged,
    if(is_top_up, 0, reinterpret(60 * nanos_of_a_unit, 'Decimal(18, 9)')),
    if(is_top_up, 1, 60),
    if(is_top_up, 100, -(charged * reinterpret(nanos_of_a_unit, 'Decimal(18, 9)'))),
    'EUR', if(details, 'user-' || toString(number % 50), NULL), '+4915112345678', 'default', '49', NULL,
    'usage-events', 0, number, 'log', 0, number, NULL, NULL, if(details, 'outbound', NULL),
    if(details, '+49305550' || toString(number % 9), NULL), if(details, 'campaign-' || toString(number % 7), NULL), 'Germany'
FROM (
    SELECT
        number,
        number % 1000 = 0 AS is_top_up,
        {has_details:Bool} AND NOT is_top_up AS details,
        toInt64(126083 + number % 997 * 1000) AS nanos_of_a_unit
    FROM numbers({first:UInt64}, {count:UInt64})
)
"""
# Another account has a tenth as many.
_ONE = "if(number % 11 = 10, 'somebody else', {account:String})"
_MANY = "{account:String} || toString(number % {accounts:UInt64})"
_AGAIN = "INSERT INTO credit_movements SELECT * FROM credit_movements WHERE log_offset % 100 = 0"
# Months fit into one block whole, as the sink sends them.
_SETTINGS = {"max_partitions_per_insert_block": 0}


def fill(client: Client, rows: int, days: int = _DAYS, has_details: bool = False) -> MovementsSlice:
    """`rows` movements of the account until now, one in a hundred of them twice, as after a sink's crash; gives them all.

    `has_details`: what a detailed file shows of usage."""
    until_micros, length = time.time_ns() // 1000, days * _DAY_MICROS
    from_micros = until_micros - length
    times = {"from_micros": from_micros, "step_micros": length // rows}
    _insert(client, _ONE, rows * 11 // 10, {"account": ACCOUNT, "has_details": has_details, **times})
    client.command(_AGAIN, settings=_SETTINGS)
    return MovementsSlice(ACCOUNT, from_micros, until_micros, "log", log_partition=0, log_end_offset=2**62)


def fill_accounts(client: Client, count: int, rows: int) -> list[str]:
    """`rows` movements for each of `count` accounts until now, one in a hundred twice; gives the accounts."""
    everybody = count * rows
    length = _DAYS * _DAY_MICROS
    times = {"from_micros": time.time_ns() // 1000 - length, "step_micros": length // everybody}
    _insert(client, _MANY, everybody, {"account": ACCOUNT, "has_details": False, "accounts": count, **times})
    client.command(_AGAIN, settings=_SETTINGS)
    return [f"{ACCOUNT}{number}" for number in range(count)]


def _insert(client: Client, account: str, count: int, parameters: dict[str, Any]) -> None:
    question = _INSERT.replace("%s", account)
    for first in range(0, count, _PIECE_ROWS):
        piece = {"first": first, "count": min(_PIECE_ROWS, count - first)}
        client.command(question, parameters=parameters | piece, settings=_SETTINGS)
