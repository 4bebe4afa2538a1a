"""The detail of a dead letter is in words and times that people read."""

from streams.pricing.checks import Check

AT = 1_793_000_000_123_456


def test_times_are_told_as_times() -> None:
    event = {"occurred_at": AT, "newest_at": AT + 1, "recorded_at": AT + 2, "usage_type": "call", "destination": None}
    for check in (Check.TOO_OLD, Check.TOO_EARLY, Check.FORGOTTEN, Check.NO_RATE):
        assert "2026-10-26T07:33:20.123456Z" in check.detail(event)
    assert Check.TOO_OLD.detail(event).endswith(", 2026-10-26T07:33:20.123457Z")
    assert Check.TOO_EARLY.detail(event).endswith(" 2026-10-26T07:33:20.123458Z")


def test_usage_without_a_destination_is_told_as_that() -> None:
    event = {"occurred_at": AT, "usage_type": "fax", "destination": None}
    assert Check.NO_RATE.detail(event).startswith("no rate for usage type 'fax' without a destination at ")
    assert Check.NO_RATE.detail({**event, "destination": "+49"}).startswith("no rate for usage type 'fax' to '+49' at ")


def test_what_is_no_time_that_could_be_is_told_as_it_came() -> None:
    told = Check.TIME.detail({"occurred_at": 2**63 - 1})
    assert told == "occurred_at 9223372036854775807 microseconds lies beyond the times that can be stored"
