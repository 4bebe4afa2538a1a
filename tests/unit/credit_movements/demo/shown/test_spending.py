"""What the demo draws of a spending."""

from decimal import Decimal

import pytest

from credit_movements.demo.shown.spending import days, upright_bars


@pytest.mark.parametrize(
    ("amounts", "drawn"),
    [
        ([8, 4, 0, 1], ["█      ", "█ █   ▂"]),
        ([Decimal("0.000000001"), 1000], ["  █", "▁ █"]),
        ([12, 16], ["▄ █", "█ █"]),
        ([0, 0], ["   ", "   "]),
        ([], ["", ""]),
    ],
)
def test_the_largest_amount_is_as_high_as_the_chart_and_none_that_was_spent_is_unseen(
    amounts: list[int], drawn: list[str]
) -> None:
    assert upright_bars([Decimal(each) for each in amounts], 2) == drawn


def test_a_period_s_days_are_those_of_the_zone() -> None:
    # From 28 March, 23:30 in Berlin, to the first instant of 31 March, with the night in which clocks are set on.
    assert days(1_774_737_000_000_000, 1_774_908_000_000_000, "Europe/Berlin") == [
        "2026-03-28",
        "2026-03-29",
        "2026-03-30",
    ]
