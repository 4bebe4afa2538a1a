"""A step of a transaction that never returns does not hold the rater for ever."""

import threading

import pytest
from confluent_kafka import KafkaException

from streams.ledger import ended_in_time

LONG_SECONDS = 30.0


def test_a_step_that_is_stuck_is_given_up() -> None:
    freed = threading.Event()
    with pytest.raises(KafkaException, match="stuck"):
        ended_in_time(lambda: freed.wait(LONG_SECONDS), 0.05)
    freed.set()


def test_a_step_that_ends_has_ended_when_it_returns() -> None:
    done: list[str] = []
    ended_in_time(lambda: done.append("done"), LONG_SECONDS)
    assert done == ["done"]


def test_what_a_step_raises_is_raised() -> None:
    def fails() -> None:
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        ended_in_time(fails, LONG_SECONDS)
