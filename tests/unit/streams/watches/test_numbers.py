"""Destinations that are no numbers are counted by type and logged at most once a minute, without number and account."""

import logging
from typing import Any

import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from streams.events.table import EVENT_COLUMNS
from streams.metrics import RaterMetrics
from streams.watches.numbers import NumberWatch, shape_of
from tests.unit.streams.test_outcome import classified, event, rate, top_up

KNOWN = {"call": 0, "sms": 1}


def odd(*types: str, destination: str = "+4420 5555 ext 12", offset: int = 7) -> pl.DataFrame:
    events = [event(offset, usage_type=each, destination=destination, partition=3) for each in types]
    return pl.DataFrame(events, schema=EVENT_COLUMNS)


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def counted(registry: CollectorRegistry, usage_type: str) -> float | None:
    return registry.get_sample_value("credit_destinations_not_numbers_total", {"usage_type": usage_type})


def test_they_are_counted_by_type_and_types_that_nobody_knows_together() -> None:
    registry = CollectorRegistry()
    watch = NumberWatch(RaterMetrics(registry).not_numbers, Clock())
    watch.note(odd("call", "call", "sms", "x-1", "x-2"), KNOWN)
    watch.note(odd("call"), KNOWN)
    watch.note(odd(), KNOWN)
    assert [counted(registry, each) for each in ("call", "sms", "", "x-1")] == [3, 1, 2, None]


def test_the_log_tells_it_at_once_and_then_once_a_minute_with_all_since(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    watch = NumberWatch(RaterMetrics(CollectorRegistry()).not_numbers, clock)
    with caplog.at_level(logging.WARNING):
        watch.note(odd(), KNOWN)
        assert caplog.messages == []
        watch.note(odd("sms"), KNOWN)
        for _ in range(30):
            clock.seconds += 2
            watch.note(odd("call", "fax"), KNOWN)
    assert [line.partition("):")[0] + ")" for line in caplog.messages] == [
        "1 destinations have digits and are no numbers ('sms': 1)",
        "60 destinations have digits and are no numbers (other types: 30, 'call': 30)",
    ]
    assert "One is '+4420 #### xxx ##' in usage-events, partition 3, offset 7" in caplog.messages[1]
    assert "5555" not in caplog.text


def test_the_shape_of_a_destination_shows_neither_the_number_nor_a_name() -> None:
    assert shape_of("+44 20 7946 0000 ext 12") == "'+44 20 #### #### xxx ##'"
    assert shape_of("SIP:alice2@host99.example.com") == "'SIP:xxxxx2@xxxx99.xxxxxxx.xxx'"
    assert shape_of("\u202a\u0660\u0660\u0664\u0664\u0662\u0660\nx") == r"'\u202a\u0660\u0660\u0664\u0664##\nx'"
    assert shape_of("9" * 70_000) == f"'9999{'#' * 56}...'"


@pytest.mark.parametrize(
    ("destination", "is_odd"),
    [("+44 20 7946 ext 12", True), ("+44 20 7946", False), ("anonymous", False), (None, False), ("sip:bob@10.0.0.1", False)],
)  # fmt: skip
def test_a_batch_names_the_events_whose_destination_is_meant_as_a_number_and_is_none(
    destination: str | None, is_odd: bool
) -> None:
    odd_one: dict[str, Any] = event(1, destination=destination)
    result = classified([top_up(0), odd_one, event(2), {**odd_one}], [rate(destination_prefix="")])
    assert result.not_numbers.tolist() == ([1, 3] if is_odd else [])
    assert result.movements["destination"].to_list() == [None, destination, "+49 151 2345678"]
    unrated = classified([odd_one], [rate(destination_prefix="1")])
    assert unrated.not_numbers.tolist() == ([0] if is_odd else [])
