"""Sinks on a real broker write the sums of blocks: whatever crashes and however often, they hold and have no hole."""

from functools import partial
from typing import Any

import polars as pl
from clickhouse_connect.driver.client import Client

from credit_movements.audit.clickhouse.erasure import EVER
from credit_movements.audit.clickhouse.rows import ALL_MONTHS
from credit_movements.audit.clickhouse.sums import SumsFound, check_sums
from schemas.codec import RecordCodec
from sinks.read.balance import read_balance
from sinks.read.summed.reach import Reach, read_reach
from tests.integration.sink.movements_log import append, movements, total
from tests.integration.sink.workers import SimulatedCrashError, Worker, counted, ends, sinking, wait_until

BLOCK = 64
ROWS = 1_300


class CrashesAfter:
    """Dies when so many writes of the sink are in ClickHouse: movements, sums, or how far these reach."""

    def __init__(self, client: Client, writes: int) -> None:
        self._client = client
        self._writes = writes

    def query(self, *asked: Any, **how: Any) -> Any:
        return self._client.query(*asked, **how)

    def insert_arrow(self, *rows: Any, **how: Any) -> None:
        self._client.insert_arrow(*rows, **how)
        self._written()

    def insert(self, *rows: Any, **how: Any) -> None:
        self._client.insert(*rows, **how)
        self._written()

    def command(self, *said: Any, **how: Any) -> None:
        self._client.command(*said, **how)
        self._written()

    def _written(self) -> None:
        self._writes -= 1
        if self._writes == 0:
            raise SimulatedCrashError


def is_done(log: str, worker: Worker) -> bool:
    return worker.has_ended or worker.sink.health.committed == ends(log)


def check(log: str, client: Client, rows: int) -> None:
    reach = read_reach(client, "log-1")
    assert reach == {partition: Reach(BLOCK, end - end % BLOCK) for partition, end in ends(log).items()}
    found = check_sums(client, "log-1", ALL_MONTHS, [], [], EVER)
    # All but the movements of the last blocks, which are not whole.
    assert found == SumsFound(found.movements, {}, [])
    assert rows - 3 * BLOCK < found.movements <= rows


def test_sums_hold_after_crashes_at_any_write(log: str, client: Client, codec: RecordCodec) -> None:
    frame = movements(ROWS)
    values = codec.encode(frame)
    written = 0
    # A sink gets further each time; the log grows meanwhile.
    for writes in (1, 2, 3, 4, 5, 6, 7, 9, 13):
        append(log, values[written : written + 120])
        written += 120
        dying = CrashesAfter(client, writes)
        with sinking(log, dying, codec, messages_a_batch=100, sums_of_offsets=BLOCK) as worker:
            wait_until(partial(is_done, log, worker))
    append(log, values[written:])
    with sinking(log, client, codec, messages_a_batch=100, sums_of_offsets=BLOCK) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert counted(client) == total(frame)
    check(log, client, ROWS)


def test_what_an_aborted_transaction_wrote_is_in_no_balance(log: str, client: Client, codec: RecordCodec) -> None:
    frame = movements(600).with_columns(account_id=pl.format("acme-{}", pl.col("source_partition")))
    values = codec.encode(frame)
    append(log, values[:300])
    append(log, values[300:540], is_aborted=True)
    append(log, values[300:])
    with sinking(log, client, codec, messages_a_batch=100, sums_of_offsets=BLOCK) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert counted(client) == total(frame)
    for account_id in ("acme-0", "acme-1", "acme-2"):
        [found] = read_balance(client, account_id)
        assert (found.movements, found.amount) == total(frame.filter(pl.col("account_id") == account_id))


def test_sums_hold_when_partitions_go_from_sink_to_sink(log: str, client: Client, codec: RecordCodec) -> None:
    frame = movements(ROWS)
    values = codec.encode(frame)
    with sinking(log, client, codec, messages_a_batch=70, sums_of_offsets=BLOCK) as first:
        append(log, values[:500])
        wait_until(lambda: first.sink.health.rows_inserted > 0)
        with sinking(log, client, codec, messages_a_batch=70, sums_of_offsets=BLOCK) as second:
            append(log, values[500:900])
            wait_until(lambda: bool(second.sink.health.assigned))
            append(log, values[900:])
            wait_until(lambda: second.sink.health.rows_inserted > 0)
        wait_until(lambda: first.sink.health.committed == ends(log))
    assert counted(client) == total(frame)
    check(log, client, ROWS)
