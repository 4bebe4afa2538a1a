"""Lines of the tables of figures in docs/PERFORMANCE.md."""

import statistics


def line(what: str, figures: list[float]) -> None:
    print(f"| {what} | {statistics.median(figures):,.0f} | {min(figures):,.0f} to {max(figures):,.0f} |")


def ratio_line(what: str, ratios: list[float]) -> None:
    print(f"| {what}, of the same round | {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |")
