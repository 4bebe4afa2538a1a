"""ClickHouse goes away, refuses, hangs, or loses its answer: in the end each row is in once, and the lag is 0."""

import os
from threading import Event

import pytest

from tests.faults.proxy import Fault
from tests.faults.world import World
from tests.integration.stack import eventually

AWAY_SECONDS = float(os.environ.get("CREDIT_TEST_CLICKHOUSE_AWAY_SECONDS", "10"))
INSERT = b"INSERT"
# 1,500 usage events and 150 top-ups.
EVENTS, MOVEMENTS = 1_500, 1_650


def everything_is_in_once(world: World) -> None:
    eventually(lambda: world.sink_lag() == 0)
    assert world.in_log() == (MOVEMENTS, MOVEMENTS)
    assert world.checksum().rows == MOVEMENTS


def test_clickhouse_away_in_the_middle_of_the_load(world: World) -> None:
    with world.stack.rating(), world.sinking():
        world.publish(0, 500)
        eventually(lambda: world.written() > 0)
        with world.clickhouse.away():
            world.publish(500, 500)
            Event().wait(AWAY_SECONDS)
            stored = world.written()
            world.publish(1000, 500)
            eventually(lambda: world.stack.is_rated())
            assert world.sink_lag() > 0
            assert world.written() == stored
        everything_is_in_once(world)


@pytest.mark.parametrize(
    ("fault", "is_applied"),
    [
        (Fault.REFUSED, False),
        (Fault.REPLY_LOST, True),
        (Fault.REQUEST_HANGS, False),
        (Fault.REPLY_HANGS, True),
    ],
)
def test_an_insert_of_unknown_outcome_is_sent_again_and_counts_once(
    world: World, fault: Fault, is_applied: bool
) -> None:
    world.publish(0, EVENTS)
    world.stack.rate_everything()
    strike = world.clickhouse.strike(INSERT, fault, times=3)
    with world.sinking():
        everything_is_in_once(world)
    assert strike.struck == 3
    assert (world.written() > MOVEMENTS) == is_applied


def test_nothing_is_committed_before_it_is_in(world: World) -> None:
    """A sink ends while ClickHouse refuses it: its successor starts where nothing is lost."""
    world.publish(0, EVENTS)
    world.stack.rate_everything()
    strike = world.clickhouse.strike(INSERT, Fault.REFUSED, times=10**9)
    with world.sinking():
        eventually(lambda: strike.struck >= 2)
    assert world.written() == 0
    assert max(world.sink_committed().values()) <= 0
    strike.times = 0
    with world.sinking():
        everything_is_in_once(world)
