"""How far a watch is behind beside the rest.

`python -m benchmarks.alerts.beside [--kafka apache|embedded] [--seconds N] [RATE]`: one rater, one sink and one watch,
processes as their operator has them, and a publisher that sends RATE usage events a second. A movement's delay is the time from
when the rater had committed so many events to when the watch had judged so many movements, by their metrics pages, asked four
times a second. Three rounds. All share the machine's processors, with whatever else runs there.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.latency.__main__ import SECONDS, prepare
from benchmarks.proc import busy_seconds, processor_seconds
from benchmarks.product import metric, worker
from benchmarks.stack import APACHE, EMBEDDED, stack
from credit_movements.settings import Settings, settings_of
from tests.jars import NoJarsError

_RATE = 20_000
_ROUNDS = 3
_ASK_EVERY_SECONDS = 0.25
_STRAGGLERS_SECONDS = 120.0


@dataclass(frozen=True)
class Beside:
    """`delays`: in seconds, one for each look at the pages. `micros`: of a processor, that each process took an event; of the
    last one all that ran on the machine besides."""

    published: float
    judged: int
    delays: list[float]
    micros: dict[str, float]


def main(kafka: str, seconds: int, rate: int) -> None:
    with tempfile.TemporaryDirectory() as name, stack(Path(name), kafka) as found:
        settings = settings_of(found.environment)
        templates = prepare(settings, found.environment, Path(name))
        with (
            worker(found.environment, "credit_movements", "rate") as rater,
            worker(found.environment, "credit_movements", "sink") as sink,
            worker(found.environment, "credit_movements", "watch") as watch,
        ):
            servers = {each: found.process_ids[each] for each in ("kafka", "clickhouse")}
            workers = {"rater": rater, "sink": sink, "watch": watch}
            judged = 0
            for _ in range(_ROUNDS):
                result = _measure(settings, templates, rate, seconds, servers | workers, judged)
                judged += result.judged
                _show(result)


def _show(result: Beside) -> None:
    median, most = (float(np.percentile(result.delays, each)) for each in (50, 100))
    micros = ", ".join(f"{name} {each:.1f}" for name, each in result.micros.items())
    print(
        f"{result.published:,.0f} events/s published, {result.judged:,} movements judged; the watch behind the rater:"
    )
    print(f"  {median:.1f} s at the median, {most:.1f} s at most; us of a processor an event: {micros}", flush=True)


def _measure(
    settings: Settings, templates: Path, rate: int, seconds: int, process_ids: dict[str, int], before: int
) -> Beside:
    arguments = (str(settings.kafka_bootstrap_servers), str(templates), str(rate), str(seconds))
    line = [sys.executable, "-m", "benchmarks.latency.publisher", *arguments]
    used = {name: processor_seconds(each) for name, each in process_ids.items()}
    busy = busy_seconds()
    looks: list[tuple[float, float, float]] = []
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as publisher:
        while publisher.poll() is None:
            looks.append(_look(settings))
            time.sleep(_ASK_EVERY_SECONDS)
        assert publisher.stdout is not None
        sent, published = publisher.stdout.read().split()
    deadline = time.monotonic() + _STRAGGLERS_SECONDS
    while looks[-1][2] - before < int(sent) and time.monotonic() < deadline:
        looks.append(_look(settings))
        time.sleep(_ASK_EVERY_SECONDS)
    seconds_used = {name: processor_seconds(each) - used[name] for name, each in process_ids.items()}
    seconds_used["others"] = busy_seconds() - busy - sum(seconds_used.values())
    at, rated, judged = np.array(looks).T
    # When the rater had so many; the looks before the first one say nothing.
    begun = judged > before
    delays = np.maximum(at[begun] - np.interp(judged[begun], rated, at), 0.0)
    micros = {name: each / int(sent) * 1e6 for name, each in seconds_used.items()}
    return Beside(float(published), int(judged[-1] - before), delays.tolist(), micros)


def _look(settings: Settings) -> tuple[float, float, float]:
    # The rater first: what it commits meanwhile makes the watch look worse, not better.
    rated = metric(settings.rater_http_port, "credit_events_consumed_total")
    judged = metric(settings.watch_http_port, "credit_watched_movements_total")
    return time.monotonic(), rated, judged


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts.beside")
    parser.add_argument("--kafka", choices=(APACHE, EMBEDDED), default=APACHE)
    parser.add_argument("--seconds", type=int, default=2 * SECONDS)
    parser.add_argument("rate", type=int, nargs="?", default=_RATE)
    given = parser.parse_args()
    try:
        main(given.kafka, given.seconds, given.rate)
    except NoJarsError as reason:
        sys.exit(f"not measured on Apache Kafka: {reason}")
