"""Writes the sums of a ledger of before: ClickHouse adds its movements up, month by month. Safe to repeat, and to end anywhere.

What sums there are counts only when all months are done. A sink may be at work meanwhile: sums of a block are the same rows.
"""

from collections.abc import Callable, Mapping

from clickhouse_connect.driver.client import Client

from kafka_io.reading import Span
from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.summed.grains import BLOCK_OFFSETS
from sinks.read.summed.reach import Reach, read_reach
from sinks.write.sums.of_ledger import months, sum_month
from sinks.write.sums.store import insert_reach, users_left_out

_ANY = "SELECT 1 FROM credit_movements WHERE log_id = {log_id:String} LIMIT 1"


def has_movements(client: Client, log_id: str) -> bool:
    """Whether the ledger has any of this log. Raises clickhouse_connect's OperationalError and DatabaseError."""
    return bool(client.query(_ANY, parameters={"log_id": log_id}, settings=WHOLE_ANSWER).result_rows)


def fill(
    client: Client,
    log_id: str,
    stored: Mapping[int, int],
    on_month: Callable[[str], None] = lambda _: None,
    block_offsets: int = BLOCK_OFFSETS,
) -> int:
    """Write the sums of all whole blocks that have none. `stored`: partition of the log → offset below which ClickHouse has all
    movements. Gives how many blocks there were. Raises clickhouse_connect's OperationalError and DatabaseError."""
    known = read_reach(client, log_id)
    whole = {}
    for partition, offset in stored.items():
        reach = known.get(partition, Reach(block_offsets, 0))
        end = offset - offset % reach.block_offsets
        if end > reach.reached and not reach.has_repeats:
            whole[partition] = Reach(reach.block_offsets, end)
    for size in {each.block_offsets for each in whole.values()}:
        spans = {
            partition: Span(known[partition].reached if partition in known else 0, each.reached)
            for partition, each in whole.items()
            if each.block_offsets == size
        }
        with users_left_out(client) as erased:
            for month in months(client):
                on_month(month)
                sum_month(client, log_id, month, spans, size, erased)
    if whole:
        insert_reach(client, log_id, whole)
    return sum(
        (each.reached - (known[partition].reached if partition in known else 0)) // each.block_offsets
        for partition, each in whole.items()
    )
