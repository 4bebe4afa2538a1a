"""What the demo draws of its figures."""

from decimal import Decimal

import pytest

from credit_movements.demo.report import upright_bars


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
