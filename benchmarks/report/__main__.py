"""`python -m benchmarks.report [PNG]`: the figures of the last `make bench` as Markdown, and as a picture.

What was not measured is left out, or named so.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from benchmarks.report.aims import AIMS
from benchmarks.results import PEERS_PYTHON, load, machine_line
from benchmarks.stack import APACHE, EMBEDDED

_BROKERS = (APACHE, EMBEDDED)


def main(picture: str) -> None:
    found = [each for name in _names() if (each := load(name))]
    if not found:
        sys.exit("nothing was measured yet: run `make bench`")
    for machine in dict.fromkeys(machine_line(each["machine"]) for each in found):
        print(machine)
    _table(("figure", "aim", "reached"), ([aim.figure, aim.aim, aim.reached()] for aim in AIMS))
    for kafka in _BROKERS:
        _if(f"rating-{kafka}", lambda rating, kafka=kafka: _rating(rating, kafka))
    for kafka in _BROKERS:
        _if(f"latency-{kafka}", lambda latency, kafka=kafka: _latency(latency, kafka))
    _table(("ten minutes away", "events", "movements after, s", "rows after, s"), _backlogs())
    _if("bursts", _bursts)
    if PEERS_PYTHON.exists():
        subprocess.run([PEERS_PYTHON, "-m", "benchmarks.report.plot", picture], check=True)


def _names() -> Iterable[str]:
    yield from (f"{name}-{kafka}" for name in ("rating", "latency", "backlog") for kafka in _BROKERS)
    yield from ("sink", "bursts", "exports")


def _if(name: str, show: Callable[[dict[str, Any]], None]) -> None:
    if found := load(name):
        show(found)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    if lines := [f"| {' | '.join(row)} |" for row in rows]:
        names = list(header)
        print(f"\n| {' | '.join(names)} |", "|---" * len(names) + "|", *lines, sep="\n")


def _rating(found: dict[str, Any], kafka: str) -> None:
    def row(name: str) -> list[str]:
        of = [each[name] for each in found["rounds"] if name in each]
        ratios = [each[name]["per_second"] / each["rater"]["per_second"] for each in found["rounds"] if name in each]
        figures = [
            median(each[figure] for each in of) for figure in ("per_second", "per_processor_second", "peak_memory")
        ]
        return [name, *(f"{each:,.0f}" for each in figures), f"{median(ratios):.2g}"]

    names = dict.fromkeys(name for each in found["rounds"] for name in each)
    header = (f"{found['events']:,} events, {kafka}", "events/s", "events per processor second", "most MiB", "/ rater")
    _table(header, map(row, names))


def _latency(found: dict[str, Any], kafka: str) -> None:
    rows = (
        [
            f"{each['rate']:,}",
            *(f"{figure:,.0f}" for name in ("to_movement_ms", "to_row_ms") for figure in each[name]),
            ", ".join(f"{name} {share:.2f}" for name, share in each["processors"].items()),
        ]
        for each in found["rates"]
    )
    header = ("to movement, ms: p50", "p99", "to row, ms: p50", "p99", "processors")
    _table((f"events/s, {kafka}", *header), rows)


def _backlogs() -> Iterable[list[str]]:
    for kafka in _BROKERS:
        if found := load(f"backlog-{kafka}"):
            seconds = (f"{found[name]:.1f}" for name in ("movements_after_seconds", "rows_after_seconds"))
            yield [f"at {found['rate']:,} events/s, {kafka}", f"{found['events']:,}", *seconds]


def _bursts(found: dict[str, Any]) -> None:
    rows = (
        [f"{each['accounts']:,}", *(f"{each[name]:.3g}" for name in ("exports_per_second", "p50", "p99", "longest"))]
        for each in found["bursts"]
    )
    _table(("accounts at once", "exports/s", "click to notification, s: median", "p99", "longest"), rows)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/benchmark.png")
