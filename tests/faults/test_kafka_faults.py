"""Connections to Kafka are cut and delayed under rater and sink: each event becomes one movement and one row."""

import threading

import pytest

from tests.faults.world import World
from tests.integration.stack import eventually
from tests.kafka.brokers import APACHE_KAFKA, TANSU

pytestmark = pytest.mark.parametrize("kafka_proxy", [TANSU, APACHE_KAFKA], indirect=True)

EVENTS, MOVEMENTS = 1_500, 1_650
CUTS = 6
# A cut in the middle of a transaction can cost the rater the transaction's time-out, each time.
RECOVERY_SECONDS = 240.0


def everything_is_in_once(world: World) -> None:
    eventually(world.is_rated, RECOVERY_SECONDS)
    eventually(lambda: world.sink_lag() == 0)
    assert world.in_log() == (MOVEMENTS, MOVEMENTS)
    assert world.checksum().rows == MOVEMENTS


def test_connections_cut_again_and_again_under_the_sink(world: World) -> None:
    world.publish(0, EVENTS)
    world.stack.rate_everything()
    cuts = []
    with world.sinking():
        for number in range(CUTS):
            # Some cuts meet a join under way, some a reading, some a commit.
            threading.Event().wait(0.3 + 0.1 * number)
            cuts.append(world.kafka.cut())
        everything_is_in_once(world)
    assert min(cuts) > 0


def test_connections_cut_again_and_again_under_the_rater(world: World) -> None:
    cuts = []
    with world.rating():
        for first in range(0, EVENTS, EVENTS // CUTS):
            world.publish(first, EVENTS // CUTS)
            # Some cuts meet a transaction under way, some its commit, some a reading.
            threading.Event().wait(0.1 + 0.07 * len(cuts))
            cuts.append(world.kafka.cut())
        eventually(world.is_rated, RECOVERY_SECONDS)
    world.store_everything()
    everything_is_in_once(world)
    assert min(cuts) > 0


def test_kafka_away_for_a_while_under_rater_and_sink(world: World) -> None:
    with world.rating(), world.sinking():
        world.publish(0, EVENTS // 2)
        with world.kafka.away():
            threading.Event().wait(2.5)
        world.publish(EVENTS // 2, EVENTS // 2)
        everything_is_in_once(world)


def test_a_slow_road_to_kafka_loses_and_repeats_nothing(world: World) -> None:
    with world.rating(), world.sinking():
        world.publish(0, EVENTS // 2)
        world.kafka.delay_seconds = 0.05
        world.publish(EVENTS // 2, EVENTS // 2)
        eventually(world.is_rated)
        world.kafka.delay_seconds = 0.0
        everything_is_in_once(world)
