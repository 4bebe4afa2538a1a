"""What touches a movement: its line in the customer's files, and adjustments."""

import pytest

from credit_movements.explain.touching import Adjusted, csv_line
from tests.unit.credit_movements.explain.explained import movement, rate, rated


def test_the_line_is_the_exporter_s_own() -> None:
    call = movement(rated(rate()), interaction_id="=1+1, x")
    assert csv_line(call, "UTC") == '2026-10-26 07:33:20,"\'=1+1, x",call,seconds,192,0.000508333333333334,-0.0976'
    assert (
        csv_line(
            call,
            "Asia/Tokyo",
        ).split(",")[0]
        == "2026-10-26 16:33:20"
    )


def test_a_movement_of_0_has_no_line() -> None:
    assert csv_line(movement(rated(rate(), quantity=0)), "UTC") is None


@pytest.mark.parametrize(
    ("moved", "amounts", "nanos", "given_back", "exceeds"),
    [
        (-100, [], 0, 0, False),
        (-100, [60, 40], 100, 100, False),
        (-100, [60, 41], 101, 101, True),
        # What a correction charges more, or takes back of a refund, may be given back.
        (-100, [101, -50], 51, 51, False),
        (-100, [-50, 151], 101, 101, True),
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
    assert Adjusted.by({"credit_movement_nanos": moved}, adjustments)[:3] == (nanos, given_back, exceeds)


@pytest.mark.parametrize(
    ("moved", "amounts", "left"),
    [
        (-100, [30], 70),
        (-100, [100], 0),
        (-100, [101], 0),
        (-100, [-50, 30], 120),
        (100, [-30], 70),
        (100, [-101], 0),
        (0, [1], 0),
    ],
)
def test_what_is_left_to_give_back(moved: int, amounts: list[int], left: int) -> None:
    """That much more is given back, and it does not exceed the movement; a nano more, and it does."""
    adjustments = [{"credit_movement_nanos": amount} for amount in amounts]
    adjusted = Adjusted.by({"credit_movement_nanos": moved}, adjustments)
    assert adjusted.left == left
    for more in (0, 1) if not adjusted.exceeds else ():
        back = {"credit_movement_nanos": (left + more) * (1 if moved <= 0 else -1)}
        assert Adjusted.by({"credit_movement_nanos": moved}, [*adjustments, back]).exceeds == bool(more)
