"""Bytes on disk of an event, a movement, a row and a remembered id: `python -m benchmarks.capacity.sizes [--events N]`.

The made-up company's events go through Apache Kafka, a rater and a sink, as they come from the producers: not compressed,
unless CREDIT_KAFKA_CONFIG says `{"compression.type": "zstd"}`. Then the files are measured.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.proc import has_ended, processor_seconds
from benchmarks.product import metric, worker
from benchmarks.rating.traffic import only_good, traffic
from benchmarks.results import save
from benchmarks.stack import APACHE
from credit_movements import clickhouse
from credit_movements.demo.company import company
from schemas.topics import CREDIT_MOVEMENTS, USAGE_EVENTS
from tests.jars import NoJarsError

EVENTS = 1_000_000
_LOOK_EVERY_SECONDS = 0.5
_PARTS = "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'credit_movements'"


@dataclass(frozen=True)
class Sizes:
    """Bytes on one disk, of one copy. `row_merged`: after OPTIMIZE FINAL. `broker_us`: processor time of the broker for each
    event that it hands to the rater, whose movement it takes and hands to the sink."""

    events: int
    event: float
    movement: float
    row: float
    row_merged: float
    id: float
    broker_us: float


def main(events: int) -> None:
    made = only_good(company(time.time_ns() // 1000, events=events))
    with traffic(made, APACHE) as published:
        settings, broker = published.settings, published.process_ids["kafka"]
        spent = processor_seconds(broker)
        with (
            worker(published.environment, "credit_movements", "rate") as rater,
            worker(published.environment, "credit_movements", "sink") as sink,
        ):
            _wait(rater, settings.rater_http_port, "credit_movements_total", published.count)
            _wait(sink, settings.sink_http_port, "credit_sink_rows_inserted_total", published.count)
        spent = processor_seconds(broker) - spent
        with clickhouse.client(settings) as client:
            ((rows, natural),) = client.query(_PARTS).result_rows
            client.command("OPTIMIZE TABLE credit_movements FINAL")
            ((merged_rows, merged),) = client.query(_PARTS).result_rows
        assert rows == merged_rows == published.count
        logs = published.folder / "apache-kafka" / "data"
        of_events, of_movements = (
            _bytes(logs.glob(f"{topic.name}-*/*.log")) for topic in (USAGE_EVENTS, CREDIT_MOVEMENTS)
        )
        seen = _bytes(path for path in (settings.data_dir / "seen").rglob("*") if path.is_file())
        totals = [of_events, of_movements, natural, merged, seen]
        found = Sizes(published.count, *(round(total / published.count, 1) for total in [*totals, spent * 1e6]))
    save("sizes", asdict(found))
    print(found, flush=True)


def _bytes(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _wait(process_id: int, port: int, counter: str, count: int) -> None:
    while metric(port, counter) < count:
        assert not has_ended(process_id), f"the worker of {counter} ended"
        time.sleep(_LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity.sizes")
    parser.add_argument("--events", type=int, default=EVENTS)
    try:
        main(parser.parse_args().events)
    except NoJarsError as reason:
        sys.exit(f"not measured on Apache Kafka: {reason}")
