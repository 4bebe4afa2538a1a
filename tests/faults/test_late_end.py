"""A request that reaches Apache Kafka late changes nothing: neither log nor dead letters nor offsets (KIP-890)."""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import Secret

from credit_movements import clients
from credit_movements.settings import Settings
from kafka_io.transaction_watch import TransactionWatch
from schemas.topics import CREDIT_MOVEMENTS, USAGE_EVENTS
from tests.faults.late_end import (
    ABORT,
    BAD,
    COMMIT,
    INVALID_PRODUCER_EPOCH,
    UNDISTURBED,
    LateEnd,
    go_on_with_the_same_producer,
    rate_two_batches,
)
from tests.faults.proxy import Fault
from tests.faults.world import World
from tests.kafka.brokers import APACHE_KAFKA

pytestmark = pytest.mark.parametrize("kafka_proxy", [APACHE_KAFKA], indirect=True)

# Of Kafka's protocol: the keys of the requests that a transaction is made of.
KEYS = {"Produce": 0, "AddPartitionsToTxn": 24, "AddOffsetsToTxn": 25, "EndTxn": 26, "TxnOffsetCommit": 28}


@pytest.mark.parametrize("ending", [COMMIT, ABORT], ids=["commit", "abort"])
# In the middle of what the next batch writes, and between that and its offsets.
@pytest.mark.parametrize("after", [1, BAD])
def test_an_end_that_comes_late_meets_a_newer_epoch(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ending: bytes, after: int
) -> None:
    late = LateEnd(world, monkeypatch, ending, after)
    assert rate_two_batches(world, late) == UNDISTURBED
    assert late.answers == [INVALID_PRODUCER_EPOCH]
    assert caplog.text.count("(no answer to 1 EndTxn): a new producer fences it") == 1
    assert "gave up" not in caplog.text


def test_without_that_the_ids_in_the_log_keep_a_torn_batch_from_being_charged_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its dead letters are another matter: the one that the late end committed comes again."""
    go_on_with_the_same_producer(monkeypatch)
    late = LateEnd(world, monkeypatch, COMMIT, 1)
    outcome = rate_two_batches(world, late)
    assert late.answers == [0]
    assert outcome[:2] == UNDISTURBED[:2]
    assert outcome.dead_letters - UNDISTURBED.dead_letters == Counter({122: 1})


def transaction(settings: Settings, consumer: Consumer, befall: Callable[[], object]) -> str | None:
    """What a transaction leaves behind that `befall` happens to."""
    watch = TransactionWatch(clients.kafka_log)
    producer = clients.transactional_producer(settings, "rater-test", watch)
    with closing(producer):
        producer.init_transactions(10)
        watch.begin()
        producer.begin_transaction()
        befall()
        producer.produce(CREDIT_MOVEMENTS.name, b"x", partition=0)
        producer.flush()
        offsets = [TopicPartition(USAGE_EVENTS.name, 0, 0)]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 10)
        producer.commit_transaction(30)
        producer.poll(0)
        return watch.left_behind()


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.REPLY_LOST, Fault.REQUEST_HANGS, Fault.REPLY_HANGS])
def test_no_request_stays_without_an_answer_unnoticed(world: World, fault: Fault) -> None:
    settings = world.settings.model_copy(update={"kafka_config": Secret({"socket.timeout.ms": "1500"})})
    with closing(clients.group_consumer(world.settings, "test")) as consumer:
        assert transaction(settings, consumer, lambda: None) is None
        for name, key in KEYS.items():
            request = re.compile(key.to_bytes(2, "big") + rb".{6}\x00\x10credit-movements", re.DOTALL)
            left_behind = transaction(settings, consumer, lambda request=request: world.kafka.strike(request, fault))
            assert left_behind is not None
            assert f"1 {name}" in left_behind
