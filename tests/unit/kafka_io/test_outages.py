"""A worker waits an outage out, logs it once a minute, and stops at once when it is asked to."""

import logging
from collections.abc import Callable
from threading import Event

import pytest

from kafka_io import outages as outage
from kafka_io.outages import Complaints, Patience, StoppedWaitingError


class OutageError(Exception):
    pass


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def _is_outage(error: BaseException) -> bool:
    return isinstance(error, OutageError)


def _failing(times: int, error: Exception) -> Callable[[], str]:
    failures = iter([error] * times)

    def attempt() -> str:
        for failure in failures:
            raise failure
        return "done"

    return attempt


@pytest.fixture
def retries() -> list[str]:
    return []


@pytest.fixture
def patience(retries: list[str], monkeypatch: pytest.MonkeyPatch) -> Patience:
    monkeypatch.setattr(outage, "FIRST_WAIT_SECONDS", 0.001)
    return Patience(Event(), Complaints(Clock()), retries.append)


def test_it_tries_until_it_works_and_counts_the_retries(patience: Patience, retries: list[str]) -> None:
    assert patience.outlast("the sea", _failing(5, OutageError("storm")), _is_outage) == "done"
    assert retries == ["the sea"] * 5


def test_what_is_no_outage_is_raised_at_once(patience: Patience, retries: list[str]) -> None:
    with pytest.raises(ValueError, match="bug"):
        patience.outlast("the sea", _failing(1, ValueError("bug")), _is_outage)
    assert retries == []


def test_the_stop_signal_ends_the_waiting() -> None:
    stop = Event()
    patience = Patience(stop, Complaints(Clock()), lambda _: stop.set())
    with pytest.raises(StoppedWaitingError, match="the sea"):
        patience.outlast("the sea", _failing(10, OutageError("storm")), _is_outage)


def test_an_outage_is_said_at_once_then_once_a_minute_then_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    complaints = Complaints(clock)
    with caplog.at_level(logging.INFO):
        for second in range(130):
            clock.seconds = float(second)
            complaints.complain("ClickHouse", "connection refused")
        clock.seconds = 131.0
        complaints.withdraw("ClickHouse")
        complaints.withdraw("ClickHouse")
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for ClickHouse since 0 s, trying again: connection refused",
        "waiting for ClickHouse since 60 s, trying again: connection refused",
        "waiting for ClickHouse since 120 s, trying again: connection refused",
        "ClickHouse is back after 131 s",
    ]


def test_what_is_down_can_be_asked_while_it_is() -> None:
    complaints = Complaints(Clock())
    complaints.complain("ClickHouse", "connection refused")
    assert complaints.open == {"ClickHouse": "connection refused"}
    complaints.withdraw("ClickHouse")
    assert complaints.open == {}
