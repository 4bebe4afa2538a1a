"""Where the credit of an account went, in a terminal: what each type took, and what each day took."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape

from credit_movements.demo.answer import Line

_BAR_CHARACTERS: Final = 40
_CHART_LINES: Final = 6
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"


def show_spending(console: Console, account_id: str, spending: list[dict[str, Any]], days: Sequence[str]) -> None:
    """`spending`: as `sinks.read.spending` has it by day and description, of these `days` (at least one)."""
    by_type, by_day = _charged(spending, 1), _charged(spending, 0)
    console.print(f"\n[bold]Where did the credit go?[/] (spending {escape(account_id)} --by day,description)")
    largest = max(by_type.values(), default=Decimal(1))
    for description, amount in sorted(by_type.items(), key=lambda each: -each[1]):
        bar = "█" * max(1, int(amount / largest * _BAR_CHARACTERS))
        console.print(f"  {description:16} {amount:>12,.2f} {bar}", highlight=False, markup=False)
    dearest = max(days, key=lambda day: by_day[day])
    console.print(f"\n  By day, the most on {dearest}: {by_day[dearest]:,.2f}", highlight=False)
    for line in upright_bars([by_day[day] for day in days], _CHART_LINES):
        console.print(f"    {line}", style="cyan", highlight=False, markup=False)
    console.print(f"    {days[0]}{days[-1]:>{2 * len(days) - 1 - len(days[0])}}", highlight=False, markup=False)


def upright_bars(amounts: Sequence[Decimal], height: int) -> list[str]:
    """A bar chart of `height` lines, the highest first, with a bar and a gap for each amount; none is below 0."""
    largest = max(amounts, default=Decimal(0))
    # In eighths of a line. What is not 0 is seen.
    eighths = [max(1, int(amount / largest * height * 8)) if amount else 0 for amount in amounts]
    return [" ".join(_EIGHTHS[min(8, max(0, each - 8 * line))] for each in eighths) for line in reversed(range(height))]


def days(from_micros: int, to_micros: int, zone: str) -> list[str]:
    """The local days of a period, `to_micros` exclusive."""
    first, last = _day(from_micros, zone), _day(to_micros - 1, zone)
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


def charged_by_day_and_type(lines: Iterable[Line], zone: str) -> dict[tuple[str, str], Decimal]:
    """What has units was used; the rest was paid, or given back."""
    charged: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.units_charged is not None:
            charged[_day(line.occurred_at, zone).isoformat(), line.description] += line.credit_movement
    return dict(charged)


def _charged(spending: list[dict[str, Any]], place: int) -> dict[str, Decimal]:
    """By that place of the key; above 0."""
    charged: dict[str, Decimal] = defaultdict(Decimal)
    for row in spending:
        if row["charges"]:
            charged[row["key"][place]] -= row["charges"]
    return charged


def _day(micros: int, zone: str) -> date:
    return datetime.fromtimestamp(micros // 10**6, ZoneInfo(zone)).date()
