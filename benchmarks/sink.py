"""The sink beside a bare insert: its rows per second, and those of `insert_arrow` of ready blocks of the same rows.

`python -m benchmarks.sink [ROWS]`: the log is written once. Then the sink, a process of its own, stores it, and the same rows,
decoded before, go into the same emptied table, in turn, so that the ratio holds on a noisy machine. The sink shares the
processors with the broker and ClickHouse, the bare insert with ClickHouse alone.
"""

import os
import sys
import tempfile
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from confluent_kafka import TopicPartition

from benchmarks.proc import processor_seconds
from benchmarks.product import command, metric, worker
from benchmarks.results import save
from benchmarks.table import line, ratio_line
from credit_movements import clickhouse, clients
from credit_movements.settings import Settings, settings_of
from credit_movements.stack.servers import Servers, servers
from kafka_io.producing import Deliveries, produce_all
from schemas.partitioner import account_partitions
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.columns import movement_columns
from sinks.write.insert import TABLE, insert_movements

ROWS = 1_000_000
ROUNDS = 3
_GROUP = "sink"
_STORED = "credit_sink_rows_inserted_total"
_ACCOUNTS = 5_000
_DAYS = 20
_DAY_MICROS = 86_400 * 10**6
_ASK_EVERY_SECONDS = 0.05
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Speed:
    """Processor seconds of a million rows, by process; the sink's are 0 for the bare insert."""

    rows_per_second: float
    sink_seconds: float
    clickhouse_seconds: float
    broker_seconds: float


@dataclass(frozen=True)
class Round:
    sink: Speed
    bare: Speed
    rows_of_a_block: float

    @property
    def ratio(self) -> float:
        return self.sink.rows_per_second / self.bare.rows_per_second


def main(rows: int) -> None:
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {rows:,} rows, {ROUNDS} rounds", flush=True)
    rounds = measured(rows)
    print_table(rounds)
    save("sink", {"rows": rows, "rounds": [asdict(each) for each in rounds]})


def print_table(rounds: list[Round]) -> None:
    print("\n| what | median | range |\n|---|---|---|")
    line("sink, Kafka to ClickHouse, rows/s", [each.sink.rows_per_second for each in rounds])
    line("insert_arrow of ready blocks of these rows, rows/s", [each.bare.rows_per_second for each in rounds])
    ratio_line("sink / insert_arrow", [each.ratio for each in rounds])
    line("sink, rows of a block", [each.rows_of_a_block for each in rounds])
    milliseconds = "processor milliseconds for a million rows"
    line(f"sink, {milliseconds}", [each.sink.sink_seconds * 1000 for each in rounds])
    line(f"ClickHouse beside it, {milliseconds}", [each.sink.clickhouse_seconds * 1000 for each in rounds])
    line(f"broker beside it, {milliseconds}", [each.sink.broker_seconds * 1000 for each in rounds])
    line(f"ClickHouse alone, {milliseconds}", [each.bare.clickhouse_seconds * 1000 for each in rounds])


def measured(rows: int, rounds: int = ROUNDS) -> list[Round]:
    """On servers of its own."""
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        settings = settings_of(stack.environment)
        command(stack.environment, "setup")
        blocks = _written_log(settings, rows)
        with clickhouse.client(settings) as client:
            return [_round(client, stack, settings, blocks) for _ in range(rounds)]


def _round(client: Client, stack: Servers, settings: Settings, blocks: list[pa.Table]) -> Round:
    rows = sum(map(len, blocks))
    _begin_anew(client, settings)
    sink, inserts = _sink(stack, settings, rows)
    assert client.command(f"SELECT uniqExact(movement_id) FROM {TABLE}") == rows
    _begin_anew(client, settings)
    bare = _bare(client, stack, blocks)
    print(
        f"sink {sink.rows_per_second:,.0f} rows/s in {inserts:.0f} inserts, bare {bare.rows_per_second:,.0f} rows/s",
        flush=True,
    )
    return Round(sink, bare, rows / inserts)


def _sink(stack: Servers, settings: Settings, rows: int) -> tuple[Speed, float]:
    """From its first block to its last one; and how many inserts there were."""
    port = settings.sink_http_port
    with worker(stack.environment, "credit_movements", "sink") as process_id:
        watched = (process_id, stack.process_ids["clickhouse"], stack.process_ids["broker"])
        while not (first := metric(port, _STORED)):
            time.sleep(_ASK_EVERY_SECONDS)
        began_at, before = time.monotonic(), [processor_seconds(each) for each in watched]
        while metric(port, _STORED) < rows:
            time.sleep(_ASK_EVERY_SECONDS)
        seconds, after = time.monotonic() - began_at, [processor_seconds(each) for each in watched]
        inserts = metric(port, "credit_sink_inserts_total")
    millions = (rows - first) / 1e6
    spent = [(end - start) / millions for start, end in zip(before, after, strict=True)]
    return Speed((rows - first) / seconds, *spent), inserts


def _bare(client: Client, stack: Servers, blocks: list[pa.Table]) -> Speed:
    process_id, rows = stack.process_ids["clickhouse"], sum(map(len, blocks))
    began_at, before = time.monotonic(), processor_seconds(process_id)
    for block in blocks:
        insert_movements(client, block)
    seconds = time.monotonic() - began_at
    return Speed(rows / seconds, 0.0, (processor_seconds(process_id) - before) / (rows / 1e6), 0.0)


def _begin_anew(client: Client, settings: Settings) -> None:
    """An empty table, and a group that has read nothing."""
    client.command(f"TRUNCATE TABLE {TABLE}")
    partitions = range(settings.topic_partitions)
    group = clients.group_consumer(settings, _GROUP)
    group.commit(offsets=[TopicPartition(CREDIT_MOVEMENTS.name, each, 0) for each in partitions], asynchronous=False)
    group.close()


def _written_log(settings: Settings, rows: int) -> list[pa.Table]:
    """Write the log as raters would, and give its rows as the sink would insert them, in blocks of the same length."""
    codec, producer = clients.codec(settings, CREDIT_MOVEMENTS), clients.producer(settings)
    deliveries = Deliveries(producer)
    log_id, blocks = clients.log_identity(settings), []
    made = _movements(rows)
    for part in made.iter_slices(settings.sink_batch_size):
        keys = part["account_id"].cast(pl.Binary)
        records = [{"key": key, "value": value} for key, value in zip(keys, codec.encode(part), strict=True)]
        produce_all(producer, CREDIT_MOVEMENTS.name, records, on_delivery=deliveries.note)
        assert deliveries.undelivered(_ANSWER_SECONDS) == 0
        partitions = account_partitions(part["account_id"], settings.topic_partitions)
        blocks.append(movement_columns(part, log_id, partitions, np.arange(len(part))))
    return blocks


def _movements(rows: int) -> pl.DataFrame:
    """Of some thousand accounts, in the order of their times; one in a thousand is a top-up."""
    random = np.random.default_rng(11)
    number = np.arange(rows)
    is_usage = pl.Series(number % 1000 != 0)
    charged, nanos = random.integers(1, 600, rows), random.integers(126_083, 900_000, rows)
    texts = pl.DataFrame({"account": random.integers(0, _ACCOUNTS, rows), "call": random.integers(0, 2**62, rows)})
    return texts.select(
        movement_id=pl.Series([str(uuid.UUID(bytes=random.bytes(16))) for _ in range(rows)]),
        account_id=pl.format("account-{}", "account"),
        interaction_id=pl.format("CA{}", "call"),
        description=pl.when(is_usage).then(pl.lit("call")).otherwise(pl.lit("top-up")),
        occurred_at=pl.Series(time.time_ns() // 1000 - _DAYS * _DAY_MICROS + number * (_DAYS * _DAY_MICROS // rows)),
        quantity=pl.when(is_usage).then(pl.Series(charged)).otherwise(0),
        unit=pl.when(is_usage).then(pl.lit("seconds")).otherwise(pl.lit("")),
        units_charged=pl.when(is_usage).then(pl.Series(charged)).otherwise(0),
        price_nanos=pl.when(is_usage).then(pl.Series(nanos)).otherwise(0),
        price_units=pl.lit(1, dtype=pl.Int64),
        credit_movement_nanos=pl.when(is_usage).then(pl.Series(-charged * nanos)).otherwise(100 * 10**9),
        currency=pl.lit("EUR"),
        user_id=pl.when(is_usage).then(pl.format("user-{}", pl.col("call") % 50)),
        destination=pl.when(is_usage).then(pl.format("+4915{}", pl.col("call") % 10**8)),
        rate_card_id=pl.lit("default"),
        destination_prefix=pl.when(is_usage).then(pl.lit("4915")),
        rate_effective_from=pl.when(is_usage).then(pl.lit(1_759_000_000_000_000, dtype=pl.Int64)),
        source_topic=pl.when(is_usage).then(pl.lit("usage-events")).otherwise(pl.lit("top-up-events")),
        source_partition=pl.col("account") % 24,
        source_offset=pl.Series(number),
        corrected_movement_id=pl.lit(None, pl.String),
        reason=pl.lit(None, pl.String),
        direction=pl.lit(None, pl.String),
        from_number=pl.lit(None, pl.String),
        campaign_id=pl.lit(None, pl.String),
        destination_name=pl.lit(None, pl.String),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
