"""How fast a watch takes movements out of Kafka: `python -m benchmarks.alerts.through_kafka [EVENTS]`.

On the embedded broker: the month lies there when the watch begins, so that it is as quick as it can; then it comes again at
20,000 movements a second, and the watch's processor time is taken. Other work on the machine makes both look worse.
"""

import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.alerts.month import month
from benchmarks.proc import peak, processor_seconds
from benchmarks.product import command, metric, worker
from benchmarks.results import save
from credit_movements import clients
from credit_movements.settings import Settings, settings_of
from credit_movements.stack.servers import servers
from kafka_io.producing import Deliveries, produce_all
from schemas.topics import CREDIT_MOVEMENTS

_JUDGED = "credit_watched_movements_total"
_PER_SECOND = 20_000
_STEADY_SECONDS = 20
_ANSWER_SECONDS = 60


def main(events: int) -> None:
    movements = month(events).movements
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        settings = settings_of(stack.environment)
        command(stack.environment, "setup")
        _publish(settings, movements)
        with worker(stack.environment, "credit_movements", "watch") as process_id:
            port = settings.watch_http_port
            while not (first := metric(port, _JUDGED)):
                time.sleep(0.05)
            began_at, spent = time.monotonic(), processor_seconds(process_id)
            _wait_for(port, len(movements))
            per_second = (len(movements) - first) / (time.monotonic() - began_at)
            per_processor_second = (len(movements) - first) / (processor_seconds(process_id) - spent)
            share = _steady(settings, movements, process_id, port)
            memory = peak(process_id)
    print(f"{len(movements):,} movements: {per_second:,.0f}/s, {per_processor_second:,.0f} a processor second")
    print(f"at {_PER_SECOND:,}/s: {share:.0%} of a processor; {memory:,.0f} MiB at most")
    save("alerts-kafka", {"per_second": per_second, "per_processor_second": per_processor_second, "share": share})


def _steady(settings: Settings, movements: pl.DataFrame, process_id: int, port: int) -> float:
    # With other ids: what is the same is dropped.
    other_id = pl.concat_str(pl.col("movement_id").str.head(14), pl.lit("5"), pl.col("movement_id").str.slice(15))
    again = movements.head(_PER_SECOND * _STEADY_SECONDS).with_columns(other_id.alias("movement_id"))
    began_at, spent = time.monotonic(), processor_seconds(process_id)
    for number, part in enumerate(again.iter_slices(_PER_SECOND // 5)):
        time.sleep(max(0.0, began_at + number / 5 - time.monotonic()))
        _publish(settings, part)
    _wait_for(port, len(movements) + len(again))
    # By the time that so many movements should take, however busy the machine is with other things.
    return (processor_seconds(process_id) - spent) / (len(again) / _PER_SECOND)


def _wait_for(port: int, count: int) -> None:
    while metric(port, _JUDGED) < count:
        time.sleep(0.05)


def _publish(settings: Settings, movements: pl.DataFrame) -> None:
    codec, producer = clients.codec(settings, CREDIT_MOVEMENTS), clients.producer(settings)
    deliveries = Deliveries(producer)
    for part in movements.iter_slices(20_000):
        keys = part["account_id"].cast(pl.Binary)
        records = [{"key": key, "value": value} for key, value in zip(keys, codec.encode(part), strict=True)]
        produce_all(producer, CREDIT_MOVEMENTS.name, records, on_delivery=deliveries.note)
    assert deliveries.undelivered(_ANSWER_SECONDS) == 0


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["1000000"])[0]))
