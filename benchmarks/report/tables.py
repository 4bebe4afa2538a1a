"""The figures of `.cache/bench` as tables of Markdown; a table without figures is none."""

from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any

from benchmarks.growth import Growth
from benchmarks.growth.shown import growth_table, three_figures
from benchmarks.report.aims import AIMS, exports_per_second, sink_ratio
from benchmarks.results import load, machine_line
from benchmarks.stack import APACHE, EMBEDDED

_BROKERS = (APACHE, EMBEDDED)
_NAMES = [f"{name}-{kafka}" for name in ("rating", "latency", "backlog") for kafka in _BROKERS]
_NAMES += ["cgrates", "sink", "bursts", "exports", "commands", "growth"]


def tables() -> Iterator[str]:
    """Raises LookupError where nothing was measured."""
    found = [each for name in _NAMES if (each := load(name))]
    if not found:
        raise LookupError("nothing was measured yet: run `make bench`")
    yield "\n".join(dict.fromkeys(f"- {machine_line(each['machine'])}" for each in found))
    yield _table(("figure", "aim", "reached"), ([aim.figure, aim.aim, aim.reached()] for aim in AIMS))
    for kafka in _BROKERS:
        yield from _of(f"rating-{kafka}", _rating)
    for kafka in _BROKERS:
        yield from _of(f"latency-{kafka}", _latency)
    yield from (each for kafka in _BROKERS for each in _of(f"backlog-{kafka}", _backlog))
    yield from _of("cgrates", _cgrates)
    yield from _of("sink", _sink)
    yield from _of("bursts", _bursts)
    yield from _of("exports", _exports)
    yield from _of("commands", _commands)
    yield from _of("growth", _growth)


def _of(name: str, table: Callable[[dict[str, Any], str], str]) -> Iterator[str]:
    if found := load(name):
        yield table(found, name.rpartition("-")[2])


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(header)
    return "\n".join(
        [f"| {' | '.join(names)} |", "|---" * len(names) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def _cgrates(found: dict[str, Any], _: str) -> str:
    calls = found["calls"]
    speeds = [f"{calls / found[of]:,.0f}" for of in ("seconds", "processor_seconds")]
    return _table(
        (f"CGRateS, {calls:,} calls by JSON-RPC", "calls/s", "calls per processor second"), [("all", *speeds)]
    )


def _rating(found: dict[str, Any], kafka: str) -> str:
    def middle(name: str, figure: str) -> float:
        return median(each[name][figure] for each in found["rounds"] if name in each)

    def ratio(name: str, figure: str) -> str:
        return f"{median(each['rater'][figure] / each[name][figure] for each in found['rounds'] if name in each):.2f}"

    names = dict.fromkeys(name for each in found["rounds"] for name in each)
    speeds = ("per_second", "per_processor_second")
    rows = (
        [
            name,
            *(f"{middle(name, each):,.0f}" for each in (*speeds, "peak_memory")),
            *(ratio(name, each) for each in speeds),
        ]
        for name in names
    )
    header = ("events/s", "events per processor second", "most memory, MiB", "rater / this", "by processor time")
    return _table((f"{found['events']:,} events, {kafka}", *header), rows)


def _latency(found: dict[str, Any], kafka: str) -> str:
    rows = (
        [
            f"{each['rate']:,}",
            *(f"{figure:,.0f}" for name in ("to_movement_ms", "to_row_ms") for figure in each[name]),
            ", ".join(f"{name} {share:.2f}" for name, share in each["processors"].items()),
        ]
        for each in found["rates"]
    )
    header = ("to movement, ms: p50", "p99", "to row, ms: p50", "p99", "processors")
    return _table((f"events/s, {kafka}", *header), rows)


def _backlog(found: dict[str, Any], kafka: str) -> str:
    seconds = (f"{found[name]:.1f}" for name in ("movements_after_seconds", "rows_after_seconds"))
    header = (f"{found['minutes']} minutes away, {kafka}", "events", "movements after, s", "rows after, s")
    return _table(header, [[f"at {found['rate']:,} events/s", f"{found['events']:,}", *seconds]])


def _sink(found: dict[str, Any], _: str) -> str:
    rounds = found["rounds"]
    return _table(
        ("what", "median"),
        [
            ["sink, Kafka to ClickHouse, rows/s", f"{median(each['sink']['rows_per_second'] for each in rounds):,.0f}"],
            ["insert_arrow of ready blocks, rows/s", f"{median(each['bare']['rows_per_second'] for each in rounds):,.0f}"],
            ["sink / insert_arrow", f"{median(map(sink_ratio, rounds)):.2f}"],
        ],
    )  # fmt: skip


def _bursts(found: dict[str, Any], _: str) -> str:
    def row(of: dict[str, Any]) -> list[str]:
        waits = sorted(of["waits"])
        seconds = (median(waits), waits[min(len(waits) - 1, len(waits) * 99 // 100)], waits[-1])
        return [f"{len(waits):,}", f"{exports_per_second(of):.1f}", *(f"{each:.2f}" for each in seconds)]

    header = ("accounts at once", "exports/s", "click to notification, s: median", "p99", "longest")
    return _table(header, map(row, found["bursts"]))


def _commands(found: dict[str, Any], _: str) -> str:
    rows = (
        [f"`{name}`", *(three_figures(each[figure]) for figure in ("seconds", "processor_seconds"))]
        for name, each in found["commands"].items()
    )
    return _table(("command", "seconds", "processor seconds"), rows)


def _growth(found: dict[str, Any], _: str) -> str:
    return growth_table(Growth(*row) for rows in found["growth"].values() for row in rows)


def _exports(found: dict[str, Any], _: str) -> str:
    rounds, rows = found["rounds"], found["rows"]
    seconds = median(each["exported"]["seconds"] for each in rounds)
    alone = median(each["clickhouse_seconds"] for each in rounds)
    figures = {
        "export, ClickHouse to disk, rows/s": f"{rows / seconds:,.0f}",
        "export, MB/s": f"{rounds[0]['exported']['bytes'] / 10**6 / seconds:,.0f}",
        "ClickHouse alone, the same query as CSV to /dev/null, rows/s": f"{rows / alone:,.0f}",
        "export / ClickHouse alone": f"{median(each['ratio'] for each in rounds):.2f}",
        "export, processor seconds of both": f"{median(each['export_processor_seconds'] for each in rounds):.1f}",
        "ClickHouse alone, processor seconds": f"{median(each['clickhouse_processor_seconds'] for each in rounds):.1f}",
        "worker, growth at its peak, MiB": f"{median(each['exported']['memory_growth'] for each in rounds):.0f}",
    }
    return _table((f"an export of {rows:,} rows", "median"), map(list, figures.items()))
