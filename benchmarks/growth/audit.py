"""What an audit costs: of a system without events, of all events, and of those that came since the last one.

`python -m benchmarks.growth.audit`: rater and sink make a history on the embedded stack, later the same number of new events
behind it. Each audit is the command in a process of its own, from start to end, imports included.
"""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import polars as pl

from benchmarks.growth import Growth
from benchmarks.growth.shown import show
from benchmarks.product import metric, worker
from benchmarks.rating.traffic import Traffic, only_good, traffic
from benchmarks.stack import EMBEDDED
from credit_movements import clients
from credit_movements.demo.company import Company, company
from credit_movements.demo.traffic import publish
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS

_EVENTS = 50_000
_NEW = 5_000
_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class _Cost:
    """Of one command: seconds from start to end, and processor seconds of its process."""

    seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class _Costs:
    """`full` is of a system with `events` events, `new` of those that came after it, `empty` of none."""

    events: int
    empty: _Cost
    full: _Cost
    new: _Cost


def measured(quick: bool) -> list[Growth]:
    events = _EVENTS // 5 if quick else _EVENTS
    small, large = _costs(events), _costs(10 * events)
    history = f"history {events:,} / {10 * events:,}"
    of_events = (_per_second(each.events, each.full, each.empty) for each in (small, large))
    return [
        Growth("the audit of an empty system", "twice the same", small.empty.seconds, large.empty.seconds, "s"),
        Growth("a full audit", history, small.full.seconds, large.full.seconds, "s"),
        Growth("a full audit, but for its start", history, *of_events, "events/s of a processor"),
        Growth(f"an audit of {_NEW:,} new events", history, small.new.seconds, large.new.seconds, "s", 1.5),
        Growth(
            f"an audit of {_NEW:,} new events",
            history,
            small.new.processor_seconds,
            large.new.processor_seconds,
            "processor s",
            1.5,
        ),
    ]


def _per_second(events: int, cost: _Cost, empty: _Cost) -> float:
    return events / (cost.processor_seconds - empty.processor_seconds)


def _costs(events: int) -> _Costs:
    now_micros = time.time_ns() // 1000
    made = only_good(company(now_micros, events=events + _NEW))
    first, later = _parted(made, events)
    with traffic(replace(made, usage_events=made.usage_events.head(0)), EMBEDDED) as system:
        empty = _audit(system)
        _work(system, first)
        full = _audit(system, "--full")
        _work(system, later)
        return _Costs(events, empty, full, _audit(system))


def _parted(made: Company, events: int) -> tuple[Company, Company]:
    usage = made.usage_events.with_row_index("number")
    parts = (usage.filter(pl.col("number") < events), usage.filter(pl.col("number") >= events))
    first, later = (replace(made, usage_events=part.drop("number")) for part in parts)
    return first, later


def _work(system: Traffic, made: Company) -> None:
    """Publish its events, and have them rated and stored."""
    settings = system.settings
    usage, top_ups = (clients.codec(settings, topic) for topic in (USAGE_EVENTS, TOP_UP_EVENTS))
    count = publish(made, clients.producer(settings), usage, top_ups, settings.topic_partitions)
    with worker(system.environment, "credit_movements", "rate"), worker(system.environment, "credit_movements", "sink"):
        while metric(settings.rater_http_port, "credit_events_consumed_total") < count:
            time.sleep(_LOOK_EVERY_SECONDS)
        while metric(settings.sink_http_port, "credit_sink_rows_inserted_total") < count:
            time.sleep(_LOOK_EVERY_SECONDS)


def _audit(system: Traffic, *options: str) -> _Cost:
    line = [sys.executable, "-m", "credit_movements", "audit", "--json", *options]
    environment = {**os.environ, **system.environment, "CREDIT_DATA_DIR": str(system.folder / "audits")}
    began_at, before = time.monotonic(), _children_seconds()
    subprocess.run(line, env=environment, check=True, stdout=subprocess.DEVNULL)
    return _Cost(time.monotonic() - began_at, _children_seconds() - before)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    show(measured(quick="--quick" in sys.argv))
