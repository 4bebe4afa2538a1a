"""Several raters, each a process of its own, on Apache Kafka: killed, paused and revoked, and every event counts once."""

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from credit_movements.settings import Settings
from schemas.topics import CREDIT_MOVEMENTS, RATES, USAGE_EVENTS
from tests.integration.rater.raters import rater
from tests.integration.records import event, rate
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import BROKERS, TANSU

# Tansu shows the records of aborted transactions, and ends no transaction of a producer that is gone.
on_kafka_itself = pytest.mark.parametrize("kafka", [name for name in BROKERS if name != TANSU], indirect=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """What a rater left open is aborted soon."""
    return settings.model_copy(update={"kafka_transaction_timeout_ms": 4000})


ALL = "rating partitions [0, 1, 2, 3];"


def events(*numbers: int) -> list[dict[str, Any]]:
    return [event(number) for number in numbers]


def assert_each_once(stack: Stack, *numbers: int) -> None:
    moved = Counter(line["movement_id"] for line in stack.records(CREDIT_MOVEMENTS))
    assert moved == Counter(each["event_id"] for each in events(*numbers))
    assert [message.offset() for message in stack.read("usage-events.dlq")] == []


def rate_all(stack: Stack) -> None:
    eventually(lambda: stack.is_rated())


@on_kafka_itself
@pytest.mark.parametrize("step", ["begin_transaction", "produce_batch", "send_offsets_to_transaction"])
def test_a_rater_that_was_paused_until_another_took_over_is_fenced(
    stack: Stack, settings: Settings, tmp_path: Path, step: str
) -> None:
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *events(*range(200)))
    with rater(settings, "paused", tmp_path, (step, "SIGSTOP")) as paused:
        paused.wait_until_stopped()
        with rater(settings, "other", tmp_path) as other:
            other.wait_for(ALL)
            rate_all(stack)
            paused.signal(signal.SIGCONT)
            stack.publish(USAGE_EVENTS, *events(*range(300)))
            # Fenced, or a member of the group again.
            eventually(lambda: paused.exit_status is not None or paused.has_said("rating partitions", times=2))
            stack.publish(USAGE_EVENTS, *events(*range(400)))
            rate_all(stack)
    assert_each_once(stack, *range(400))


@on_kafka_itself
@pytest.mark.parametrize("step", ["produce_batch", "commit_transaction"])
def test_a_rater_that_was_killed_leaves_nothing_half_done(
    stack: Stack, settings: Settings, tmp_path: Path, step: str
) -> None:
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *events(*range(200)))
    with rater(settings, "killed", tmp_path, (step, "SIGKILL")) as killed:
        eventually(lambda: killed.exit_status == -signal.SIGKILL)
    stack.publish(USAGE_EVENTS, *events(*range(100, 300)))
    with rater(settings, "next", tmp_path):
        rate_all(stack)
    assert_each_once(stack, *range(300))


def test_the_same_rater_started_again_ends_at_once_what_it_left_open(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    """Without waiting for Kafka to give up the transaction, which takes longer than this test may."""
    patient = settings.model_copy(update={"kafka_transaction_timeout_ms": 600_000})
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *events(*range(200)))
    with rater(patient, "rater-1", tmp_path, ("send_offsets_to_transaction", "SIGKILL")) as killed:
        eventually(lambda: killed.exit_status == -signal.SIGKILL)
    with rater(patient, "rater-1", tmp_path):
        rate_all(stack)
    assert_each_once(stack, *range(200))


@on_kafka_itself
def test_three_raters_come_and_go_in_the_middle_of_batches(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    """Small batches, so that each revocation finds some under way; the events of a thousand are sent three times."""
    busy = settings.model_copy(update={"rater_batch_size": 10})
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *events(*range(1000)))
    with rater(busy, "first", tmp_path) as first:
        first.wait_for(ALL)
        with rater(busy, "second", tmp_path) as second, rater(busy, "third", tmp_path) as third:
            second.wait_for("rating partitions")
            third.wait_for("rating partitions")
            stack.publish(USAGE_EVENTS, *events(*range(1000)))
            second.signal(signal.SIGKILL)
        stack.publish(USAGE_EVENTS, *events(*range(1000)))
        rate_all(stack)
    assert_each_once(stack, *range(1000))
