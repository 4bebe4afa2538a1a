"""`PYTHON -m benchmarks.report.plot PNG`: what was measured, as a picture. Run by the peers' Python."""

import sys
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.results import load

# The rater's own variants stand in the table.
_SHOWN = ("copying loop", "rater", "plain loop", "Bytewax", "Quix Streams", "Faust")
_OURS, _THEIRS, _CEILING = "#1f6f8b", "#b0b7bd", "#cfe3ea"


def main(path: str) -> None:
    mpl.use("Agg")
    figure, (speeds, times) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    rating = load("rating-apache") or load("rating-embedded")
    if rating:
        _speeds(speeds, rating)
    latency = load("latency-apache") or load("latency-embedded")
    if latency:
        _times(times, latency["rates"])
    figure.savefig(path, dpi=110)


def _speeds(axes: Any, rating: dict[str, Any]) -> None:
    names = [name for name in reversed(_SHOWN) if name in rating["rounds"][0]]
    values = [median(each[name]["per_second"] for each in rating["rounds"] if name in each) for name in names]
    colours = {"rater": _OURS, "copying loop": _CEILING}
    bars = axes.barh(names, values, color=[colours.get(name, _THEIRS) for name in names])
    axes.bar_label(bars, [f" {value:,.0f}" for value in values])
    axes.set_xlim(0, max(values) * 1.2)
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.set_title(
        "Events/s from Kafka to Kafka. The grey ones handle neither\nduplicates nor bad messages, and have no transactions",
        fontsize=10,
    )
    _plain(axes)


def _times(axes: Any, rates: list[dict[str, Any]]) -> None:
    at = [each["rate"] for each in rates]
    for name, label, colour in (("to_movement_ms", "to movement", _OURS), ("to_row_ms", "to row", "#d08c3f")):
        for place, kind, style in ((0, "p50", "-"), (1, "p99", "--")):
            axes.plot(
                at, [each[name][place] for each in rates], style, marker="o", color=colour, label=f"{label}, {kind}"
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(at, [f"{each:,}" for each in at], minor=False)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title("Milliseconds from publish, by events/s", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    _plain(axes)


def _thousands(value: float, _: int) -> str:
    return f"{value:,.0f}"


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main(sys.argv[1])
