"""What adjustments of a movement come to."""

import pytest

from credit_movements.explain.adjusted import Adjusted


@pytest.mark.parametrize(
    ("moved", "amounts", "nanos", "given_back", "exceeds"),
    [
        (-100, [], 0, 0, False),
        (-100, [60, 40], 100, 100, False),
        (-100, [60, 41], 101, 101, True),
        # What is taken once more is no refund, and makes none smaller.
        (-100, [101, -50], 51, 101, True),
        (-100, [-1_000], -1_000, 0, False),
        (100, [-100], -100, 100, False),
        (100, [-101], -101, 101, True),
        (0, [1], 1, 1, True),
    ],
)
def test_what_is_given_back_exceeds_the_movement_or_not(
    moved: int, amounts: list[int], nanos: int, given_back: int, exceeds: bool
) -> None:
    adjustments = [{"credit_movement_nanos": amount} for amount in amounts]
    assert Adjusted.by({"credit_movement_nanos": moved}, adjustments) == (nanos, given_back, exceeds)
