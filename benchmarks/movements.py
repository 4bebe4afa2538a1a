"""One account's last month of movements, made by ClickHouse itself."""

import time

from clickhouse_connect.driver.client import Client

from sinks.read.movements import MovementsSlice

ACCOUNT = "acme"
# A day less than an export covers.
_MICROS = 29 * 86_400 * 10**6
_PIECE_ROWS = 1_000_000
# In time order, as a sink would insert them. One in a thousand is a top-up; another account has a tenth as many.
_INSERT = """
INSERT INTO credit_movements
SELECT
    if(number % 11 = 10, 'somebody else', {account:String}),
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
    'EUR', NULL, '+4915112345678', 'default', '49', NULL, 'usage-events', 0, number, 'log', 0, number
FROM (
    SELECT number, number % 1000 = 0 AS is_top_up, toInt64(126083 + number % 997 * 1000) AS nanos_of_a_unit
    FROM numbers({first:UInt64}, {count:UInt64})
)
"""
_AGAIN = "INSERT INTO credit_movements SELECT * FROM credit_movements WHERE log_offset % 100 = 0"
# Months fit into one block whole, as the sink sends them.
_SETTINGS = {"max_partitions_per_insert_block": 0}


def fill(client: Client, rows: int) -> MovementsSlice:
    """`rows` movements of the account until now, one in a hundred of them twice, as after a sink's crash; gives them all."""
    until_micros = time.time_ns() // 1000
    from_micros = until_micros - _MICROS
    everybody = rows * 11 // 10
    for first in range(0, everybody, _PIECE_ROWS):
        parameters = {
            "account": ACCOUNT, "from_micros": from_micros, "step_micros": _MICROS // rows,
            "first": first, "count": min(_PIECE_ROWS, everybody - first),
        }  # fmt: skip
        client.command(_INSERT, parameters=parameters, settings=_SETTINGS)
    client.command(_AGAIN, settings=_SETTINGS)
    return MovementsSlice(ACCOUNT, from_micros, until_micros, "log", log_partition=0, log_end_offset=2**62)
