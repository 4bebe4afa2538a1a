"""How long a usage event takes to become a movement in the log, and a row in ClickHouse.

`python -m benchmarks.latency [--kafka apache|embedded] [--seconds N] [RATE...]`: one rater and one sink, processes as their
operator has them. A publisher, a process too, sends RATE events/s (linger 2 ms) and stamps each with its time of sending
(`occurred_at`, microseconds). This process reads `credit-movements` (read_committed) and notes when each movement came, right
to a millisecond or so. A row is there from the moment when the folder of its part got its name: the file system keeps that time
(steps of 4 ms), and ClickHouse is asked how far each new part reaches in the log, so that nothing asks it all the time.

All share the machine's processors: the last column says how much of one each process took.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.latency.arrivals import LOOK_EVERY_SECONDS, Arrivals, Rows
from benchmarks.latency.publisher import write_templates
from benchmarks.proc import busy_seconds, processor_seconds
from benchmarks.product import command, worker
from benchmarks.results import save
from benchmarks.stack import APACHE, EMBEDDED, stack
from credit_movements import clients
from credit_movements.demo.company import company
from credit_movements.settings import Settings, settings_of
from schemas.topics import CREDIT_MOVEMENTS, USAGE_EVENTS
from tests.jars import NoJarsError

RATES = (100, 1_000, 10_000, 50_000)
SECONDS = 15
WARM_UP_SECONDS = 3
_STRAGGLERS_SECONDS = 60.0
_TEMPLATES = 5_000
_WARM_UP = (2_000, 8)
_EVERYTHING = "everything"


@dataclass(frozen=True)
class Latency:
    """At one rate. Milliseconds from publish to movement and to row, [median, 99th percentile]. `published`: events/s that the
    publisher reached. `missing`: of all events, warm-up included, those that had no movement and row in time. `processors`: how
    much of one each process took, and whatever else ran on the machine."""

    rate: int
    published: float
    events: int
    to_movement_ms: list[float]
    to_row_ms: list[float]
    missing: int
    processors: dict[str, float]


@dataclass(frozen=True)
class World:
    """Servers, rater and sink, all running. `process_ids`: by what they are called."""

    settings: Settings
    templates: Path
    process_ids: dict[str, int]


def main(kafka: str, seconds: int, rates: list[int]) -> None:
    results = []
    with tempfile.TemporaryDirectory() as name, _world(Path(name), kafka) as world:
        _measure(world, *_WARM_UP)
        print("| events/s | published/s | to movement, ms: p50, p99 | to row, ms: p50, p99 | missing | processors |")
        print("|---|---|---|---|---|---|", flush=True)
        for rate in rates:
            results.append(_measure(world, rate, seconds))
            _print(results[-1])
    save(f"latency-{kafka}", {"rates": [asdict(each) for each in results]})


def _print(found: Latency) -> None:
    movement, row = (f"{p50:,.0f}, {p99:,.0f}" for p50, p99 in (found.to_movement_ms, found.to_row_ms))
    processors = ", ".join(f"{name} {share:.2f}" for name, share in found.processors.items())
    missing = f"{found.missing} of {found.events:,}"
    print(f"| {found.rate:,} | {found.published:,.0f} | {movement} | {row} | {missing} | {processors} |", flush=True)


@contextmanager
def _world(folder: Path, kafka: str) -> Iterator[World]:
    with stack(folder, kafka) as found:
        settings = settings_of(found.environment)
        templates = prepare(settings, found.environment, folder)
        with (
            worker(found.environment, "credit_movements", "rate") as rater,
            worker(found.environment, "credit_movements", "sink") as sink,
        ):
            servers = {name: found.process_ids[name] for name in ("kafka", "clickhouse")}
            yield World(settings, templates, servers | {"rater": rater, "sink": sink})


def prepare(settings: Settings, environment: dict[str, str], folder: Path) -> Path:
    """Topics, prices, and the company's good usage events for the publisher to fill in."""
    made = company(time.time_ns() // 1000, events=_TEMPLATES)
    deck, templates = folder / "rates.csv", folder / "templates.json"
    deck.write_text(made.rate_deck, encoding="utf-8")
    command(environment, "setup")
    command(environment, "rates", "publish", deck)
    good = made.usage_events.filter(pl.col("outcome") == "movement").drop("outcome")
    write_templates(templates, good, clients.codec(settings, USAGE_EVENTS))
    return templates


def _measure(world: World, rate: int, seconds: int) -> Latency:
    """Publish for the warm-up and `seconds`, and wait for the last row."""
    arrivals, rows = Arrivals(world.settings), Rows(world.settings)
    rows.start()
    arguments = (
        str(world.settings.kafka_bootstrap_servers),
        str(world.templates),
        str(rate),
        str(WARM_UP_SECONDS + seconds),
    )
    line = [sys.executable, "-m", "benchmarks.latency.publisher", *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as publisher:
        process_ids = {**world.process_ids, "publisher": publisher.pid, "this": os.getpid()}
        while not arrivals.messages and publisher.poll() is None:
            arrivals.take()
        used, began_at = _Used(process_ids), time.monotonic()
        while time.monotonic() - began_at < seconds + WARM_UP_SECONDS - 1:
            arrivals.take()
        processors = used.processors()
        while publisher.poll() is None:
            arrivals.take()
        assert publisher.stdout is not None
        sent, published = publisher.stdout.read().split()
    deadline = time.monotonic() + _STRAGGLERS_SECONDS
    while time.monotonic() < deadline and len(arrivals.messages) < int(sent):
        arrivals.take()
    last = arrivals.last
    while time.monotonic() < deadline and not rows.hold(last):
        time.sleep(LOOK_EVERY_SECONDS)
    rows.finish()
    arrivals.close()
    return _latency(world.settings, rate, int(sent), float(published), seconds, arrivals, rows, processors)


class _Used:
    """How much processor time processes take from now on."""

    def __init__(self, process_ids: dict[str, int]) -> None:
        self._process_ids = process_ids
        self._at_first = self._seconds()
        self._began_at = time.monotonic()

    def processors(self) -> dict[str, float]:
        elapsed = time.monotonic() - self._began_at
        shares = {name: (now - self._at_first[name]) / elapsed for name, now in self._seconds().items()}
        everything = shares.pop(_EVERYTHING)
        return shares | {"others": everything - sum(shares.values())}

    def _seconds(self) -> dict[str, float]:
        ours = {name: processor_seconds(each) for name, each in self._process_ids.items()}
        return {**ours, _EVERYTHING: busy_seconds()}


def _latency(
    settings: Settings,
    rate: int,
    sent: int,
    published: float,
    seconds: int,
    arrivals: Arrivals,
    rows: Rows,
    processors: dict[str, float],
) -> Latency:
    values = [message.value() for message in arrivals.messages]
    sent_at = clients.codec(settings, CREDIT_MOVEMENTS).decode(values).rows["occurred_at"].to_numpy()
    arrived_at = np.array(arrivals.at_micros)
    stored_at = rows.times([(message.partition(), message.offset()) for message in arrivals.messages])
    began = sent_at.min() + WARM_UP_SECONDS * 10**6
    measured = (sent_at >= began) & (sent_at < began + seconds * 10**6)
    stored = measured & (stored_at > 0)
    return Latency(
        rate,
        published,
        int(measured.sum()),
        _percentiles_ms(arrived_at[measured] - sent_at[measured]),
        _percentiles_ms(stored_at[stored] - sent_at[stored]),
        sent - int((stored_at > 0).sum()),
        processors,
    )


def _percentiles_ms(micros: npt.NDArray[np.int64]) -> list[float]:
    return [float(each) / 1000 for each in np.percentile(micros, [50, 99])] if len(micros) else [math.nan, math.nan]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency")
    parser.add_argument("--kafka", choices=(APACHE, EMBEDDED), default=APACHE)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("rates", type=int, nargs="*", default=RATES)
    given = parser.parse_args()
    try:
        main(given.kafka, given.seconds, list(given.rates))
    except NoJarsError as reason:
        sys.exit(f"not measured on Apache Kafka: {reason}")
