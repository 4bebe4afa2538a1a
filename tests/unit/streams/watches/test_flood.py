"""The rater logs a flood of dead letters once when it begins and once when it ends."""

import pytest

from streams.watches.flood import FloodWatch


def test_a_flood_is_told_once_with_its_reasons_and_once_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    watch = FloodWatch()
    watch.note(10_000, {})
    watch.note(6_000, {"no_rate": 5_900})
    watch.note(4_000, {"no_rate": 100, "conflict": 1})
    watch.note(9, {"no_rate": 9})
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "6001 of the last 10000 events were refused (no_rate: 6000, conflict: 1)" in caplog.text
    watch.note(20_000, {})
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert not watch.is_flood


def test_a_few_bad_ones_among_many_are_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    watch = FloodWatch()
    watch.note(10_000, {"undecodable": 5_000})
    assert not caplog.records


def test_a_quiet_topic_whose_every_event_is_bad_is_one() -> None:
    watch = FloodWatch()
    watch.note(3, {"unknown_schema": 3})
    assert watch.is_flood
