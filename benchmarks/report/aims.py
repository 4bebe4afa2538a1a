"""What was aimed at, and how far each figure came."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.results import load
from benchmarks.stack import APACHE, EMBEDDED

_NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Aim:
    figure: str
    aim: str
    reached: Callable[[], str]


def _rater_over(name: str) -> Callable[[], str]:
    return lambda: _ratio("rater", name, "per_second")


def _ratio(above: str, below: str, figure: str) -> str:
    """The median of the rounds that have both, by broker."""
    told = []
    for kafka in (APACHE, EMBEDDED):
        rounds = (load(f"rating-{kafka}") or {"rounds": []})["rounds"]
        if ratios := [each[above][figure] / each[below][figure] for each in rounds if above in each and below in each]:
            told.append(f"{median(ratios):.2f} ({kafka})" if median(ratios) < 10 else f"{median(ratios):.0f} ({kafka})")
    return ", ".join(told) or _NOT_MEASURED


def _sink() -> str:
    found = load("sink")
    return _NOT_MEASURED if found is None else f"{median(map(sink_ratio, found['rounds'])):.2f}"


def sink_ratio(of: dict[str, Any]) -> float:
    """Of a round of `benchmarks.sink`."""
    return float(of["sink"]["rows_per_second"] / of["bare"]["rows_per_second"])


def _exports() -> str:
    found = load("exports")
    return _NOT_MEASURED if found is None else f"{median(each['ratio'] for each in found['rounds']):.2f}"


def _burst_of_200() -> str:
    bursts = (load("bursts") or {"bursts": []})["bursts"]
    return next((f"{exports_per_second(each):.1f}" for each in bursts if len(each["waits"]) == 200), _NOT_MEASURED)


def exports_per_second(of: dict[str, Any]) -> float:
    """Of a burst of `benchmarks.bursts`."""
    return float(len(of["waits"]) / of["seconds"])


def _idle_click() -> str:
    found = load("bursts")
    return _NOT_MEASURED if found is None else f"{median(found['single']):.2f} s, at most {max(found['single']):.2f} s"


def _p99(rate: int) -> Callable[[], str]:
    def reached() -> str:
        rates = (load(f"latency-{APACHE}") or {"rates": []})["rates"]
        found = next((each for each in rates if each["rate"] == rate), None)
        seconds = (
            [math.nan, math.nan] if found is None else [found[to][1] / 1000 for to in ("to_movement_ms", "to_row_ms")]
        )
        return _NOT_MEASURED if found is None else f"{seconds[0]:.2f} s / {seconds[1]:.2f} s"

    return reached


AIMS = (
    Aim("rater / copying loop", ">= 0.75", _rater_over("copying loop")),
    Aim("rater / Faust", ">= 60", _rater_over("Faust")),
    Aim("rater / Quix Streams", ">= 10", _rater_over("Quix Streams")),
    Aim("rater / plain loop", ">= 7", _rater_over("plain loop")),
    Aim("rater with 2 % bad messages / with none", ">= 0.9", lambda: _ratio("rater, 2 % bad", "rater", "per_second")),
    Aim("sink / raw insert of ready blocks", ">= 0.7", _sink),
    Aim("large export / ClickHouse CSV to nowhere", ">= 0.7", _exports),
    Aim("exports/s, burst of 200", ">= 40", _burst_of_200),
    Aim("click to notification, idle", "<= 0.3 s", _idle_click),
    Aim("p99 publish to movement / to row, 1,000 events/s, Apache Kafka", "<= 0.1 s / <= 0.4 s", _p99(1_000)),
    Aim("the same at 10,000 events/s", "<= 0.25 s / <= 1 s", _p99(10_000)),
)
