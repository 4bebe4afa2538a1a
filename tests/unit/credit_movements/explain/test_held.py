"""A movement's line in the customer's files."""

from credit_movements.explain.held import csv_line
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
