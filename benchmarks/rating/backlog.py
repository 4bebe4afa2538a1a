"""How long rater and sink take to catch up after ten minutes away.

`python -m benchmarks.rating.backlog [--kafka apache|embedded] [--rate N] [--minutes N]`: so many events wait in Kafka when both
begin; it ends when ClickHouse has the row of the last one. Starting the processes and joining their groups is part of it.
"""

import argparse
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks.proc import has_ended
from benchmarks.product import metric, worker
from benchmarks.rating.traffic import only_good, traffic
from benchmarks.results import save
from benchmarks.stack import APACHE, EMBEDDED
from credit_movements.demo.company import company
from tests.jars import NoJarsError

RATE = 1_000
MINUTES = 10
_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class CaughtUp:
    """Seconds from the start of both workers until the log had the last movement, and ClickHouse the last row."""

    rate: int
    minutes: int
    events: int
    movements_after_seconds: float
    rows_after_seconds: float


def main(kafka: str, rate: int, minutes: int) -> None:
    made = only_good(company(time.time_ns() // 1000, events=rate * minutes * 60))
    with traffic(made, kafka) as published:
        settings, began_at = published.settings, time.monotonic()
        with (
            worker(published.environment, "credit_movements", "rate") as rater,
            worker(published.environment, "credit_movements", "sink") as sink,
        ):
            _wait(rater, settings.rater_http_port, "credit_events_consumed_total", published.count)
            rated_at = time.monotonic()
            _wait(sink, settings.sink_http_port, "credit_sink_rows_inserted_total", published.count)
            found = CaughtUp(rate, minutes, published.count, rated_at - began_at, time.monotonic() - began_at)
    save(f"backlog-{kafka}", asdict(found))
    print(
        f"{minutes} minutes away at {rate:,} events/s on {kafka}: {found.events:,} events were movements after"
        f" {found.movements_after_seconds:.1f} s and rows after {found.rows_after_seconds:.1f} s",
        flush=True,
    )


def _wait(process_id: int, port: int, counter: str, count: int) -> None:
    while metric(port, counter) < count:
        assert not has_ended(process_id), f"the worker of {counter} ended"
        time.sleep(_LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rating.backlog")
    parser.add_argument("--kafka", choices=(APACHE, EMBEDDED), default=APACHE)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--minutes", type=int, default=MINUTES)
    given = parser.parse_args()
    try:
        main(given.kafka, given.rate, given.minutes)
    except NoJarsError as reason:
        sys.exit(f"not measured on Apache Kafka: {reason}")
