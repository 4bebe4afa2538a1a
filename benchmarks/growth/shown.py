"""The second table of the benchmarks: what grows with what."""

from collections.abc import Iterable

from benchmarks.growth import Growth

_HEADER = "| cost | at | the smaller | the larger | unit | larger / smaller | aim |\n|---|---|---|---|---|---|---|"


def growth_table(rows: Iterable[Growth]) -> str:
    return "\n".join([_HEADER, *map(_line, rows)])


def show(rows: Iterable[Growth]) -> None:
    print(growth_table(rows), flush=True)


def three_figures(value: float) -> str:
    """As people write it, without an exponent."""
    return f"{float(f'{value:.3g}'):,}".removesuffix(".0")


def _line(row: Growth) -> str:
    ratio = f"{row.large / row.small:.2f}" if row.small else ""
    aim = "" if row.aim is None else f"<= {row.aim:g}"
    cells = (row.what, row.sizes, three_figures(row.small), three_figures(row.large), row.unit, ratio, aim)
    return f"| {' | '.join(cells)} |"
