"""A step of a transaction that never returns is given up after a time; one that fails ends its producer."""

import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import CollectorRegistry

from kafka_io.transaction_watch import TransactionWatch
from kafka_io.transactions import AbortedError, ended_in_time
from schemas.dead_letters import Reason
from streams.metrics import RaterMetrics
from streams.writer import MovementWriter

LONG_SECONDS = 30.0
MESSAGE: Any = SimpleNamespace(
    topic=lambda: "usage-events", partition=lambda: 0, offset=lambda: 7,
    key=lambda: b"acme", value=lambda: b"spoiled", headers=lambda: None,
)  # fmt: skip
CONSUMER: Any = SimpleNamespace(consumer_group_metadata=lambda: None)
NOT_NOW = KafkaException(KafkaError(KafkaError._TIMED_OUT, "not now", False, True, False))
NEVER = KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION, "never", False, False, True))


class Kafka:
    """Hands out producers that note what they are asked, as `<number of the producer> <step>`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.made = 0
        # What the next steps of a name raise.
        self.failures: dict[str, list[KafkaException]] = {}
        # How often the next end of a transaction is sent for each answer.
        self.sent_ends = 1
        self.counts = CollectorRegistry()
        codec: Any = SimpleNamespace(own_id=lambda: 1)
        self.writer = MovementWriter(self.make_producer, codec, RaterMetrics(self.counts))
        self.writer.open()

    def make_producer(self) -> Any:
        self.made += 1
        watch = TransactionWatch(logging.getLogger("kafka"))
        return _Producer(self, self.made, watch), watch

    def write_a_batch(self) -> None:
        self.writer.begin()
        self.writer.write_dead_letter(MESSAGE, Reason.UNDECODABLE, "for the test")
        self.writer.commit({}, CONSUMER)


class _Producer:
    def __init__(self, kafka: Kafka, number: int, watch: TransactionWatch) -> None:
        self._kafka, self._number, self._watch = kafka, number, watch

    def __getattr__(self, step: str) -> Callable[..., None]:
        def take(*_: object, **__: object) -> None:
            if step in {"init_transactions", "begin_transaction", "commit_transaction", "abort_transaction", "close"}:
                self._kafka.asked.append(
                    f"{self._number} {step.removesuffix('_transaction').removesuffix('_transactions')}"
                )
            if failures := self._kafka.failures.get(step):
                raise failures.pop(0)
            if step in {"commit_transaction", "abort_transaction"}:
                for _each in range(self._kafka.sent_ends):
                    self._watch.log(logging.DEBUG, "%s", "Sent EndTxnRequest (v1)")
                self._watch.log(logging.DEBUG, "%s", "Received EndTxnResponse (v1)")
                self._kafka.sent_ends = 1

        return take


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


def test_a_producer_lives_on_where_nothing_happened(kafka: Kafka) -> None:
    kafka.write_a_batch()
    kafka.write_a_batch()
    assert kafka.asked == ["1 init", "1 begin", "1 commit", "1 begin", "1 commit"]


def test_a_commit_that_left_a_request_behind_is_the_last_of_its_producer(kafka: Kafka) -> None:
    kafka.sent_ends = 2
    for _ in range(3):
        kafka.write_a_batch()
    assert kafka.asked[:4] == ["1 init", "1 begin", "1 commit", "1 close"]
    # One time, and not again for the same trouble.
    assert kafka.asked[4:] == ["2 init", "2 begin", "2 commit", "2 begin", "2 commit"]
    assert kafka.counts.get_sample_value("credit_producers_renewed_total") == 1


def test_a_commit_that_we_asked_for_again_is_the_last_of_its_producer(kafka: Kafka) -> None:
    kafka.failures["commit_transaction"] = [NOT_NOW]
    kafka.write_a_batch()
    kafka.write_a_batch()
    assert kafka.asked[3:] == ["1 commit", "1 close", "2 init", "2 begin", "2 commit"]


def test_an_abort_that_left_a_request_behind_is_the_last_of_its_producer(kafka: Kafka) -> None:
    kafka.failures["commit_transaction"] = [NEVER]
    kafka.sent_ends = 2
    with pytest.raises(AbortedError):
        kafka.write_a_batch()
    kafka.write_a_batch()
    assert kafka.asked[2:] == ["1 commit", "1 abort", "1 close", "2 init", "2 begin", "2 commit"]


def test_a_producer_that_is_slow_to_begin_is_not_changed_for_that(kafka: Kafka) -> None:
    kafka.failures["init_transactions"] = [NOT_NOW]
    kafka.sent_ends = 2
    kafka.write_a_batch()
    kafka.write_a_batch()
    kafka.write_a_batch()
    assert kafka.asked[3:] == ["1 close", "2 init", "2 init", "2 begin", "2 commit", "2 begin", "2 commit"]


def test_a_batch_without_anything_to_write_needs_no_producer(kafka: Kafka) -> None:
    kafka.sent_ends = 2
    kafka.write_a_batch()
    kafka.writer.begin()
    kafka.writer.commit({}, SimpleNamespace(commit=lambda **_: []))  # type: ignore[arg-type]
    assert kafka.made == 1


def test_only_the_beginning_of_a_commit_uses_the_consumer(kafka: Kafka) -> None:
    # A rebalance holds up whoever asks the consumer, and waits for the commit.
    for writes in (False, True):
        asked: list[str] = []
        consumer: Any = SimpleNamespace(
            commit=lambda asked=asked, **_: asked.append("commit") or [],
            consumer_group_metadata=lambda asked=asked: asked.append("group"),
        )
        kafka.writer.begin()
        if writes:
            kafka.writer.write_dead_letter(MESSAGE, Reason.UNDECODABLE, "for the test")
        rest = kafka.writer.begin_commit({}, consumer)
        assert asked == ["group" if writes else "commit"]
        rest()
        assert len(asked) == 1


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
