"""The deduplication store is brought up to date from the log, on each broker in turn."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from confluent_kafka import Producer

from credit_movements import clients
from kafka_io.transaction_watch import TransactionWatch
from schemas.topics import CREDIT_MOVEMENTS
from streams.dedup.catch_up import LogReader
from streams.dedup.needed import Needed
from streams.dedup.progress import Progress
from streams.dedup.store import NOTHING_FORGOTTEN, DedupStore
from tests.integration.records import movement
from tests.integration.stack import Stack
from tests.kafka.brokers import Kafka

OPEN_SECONDS = 1.0


@pytest.fixture
def producer(stack: Stack) -> Producer:
    """Some rater's, with a transaction begun."""
    watch = TransactionWatch(clients.kafka_log)
    producer = clients.transactional_producer(
        stack.settings, clients.transactional_id(stack.settings, "rater", stack.settings.rater_id), watch
    )
    producer.init_transactions(10)
    producer.begin_transaction()
    return producer


@pytest.fixture
def store(stack: Stack) -> DedupStore:
    return DedupStore(stack.settings.data_dir / "seen" / "0", "log-1", timedelta(days=35))


def write(stack: Stack, producer: Producer, *numbers: int) -> None:
    for number in numbers:
        value = stack.codec(CREDIT_MOVEMENTS).encode_one(movement(number))
        producer.produce(CREDIT_MOVEMENTS.name, value, partition=0)
    assert producer.flush(10) == 0


def catching_up(stack: Stack, store: DedupStore, pool: ThreadPoolExecutor) -> "Future[None]":
    def catch_up() -> None:
        with closing(clients.reading_consumer(stack.settings, "log")) as consumer:
            progress = Progress(time.monotonic)
            LogReader(consumer, stack.codec(CREDIT_MOVEMENTS)).catch_up({0: store}, progress, threading.Event())

    return pool.submit(catch_up)


def test_movements_are_read_from_where_the_store_stands(stack: Stack, producer: Producer, store: DedupStore) -> None:
    with ThreadPoolExecutor(1) as pool:
        write(stack, producer, 1, 2)
        producer.commit_transaction(10)
        catching_up(stack, store, pool).result(20)
        assert (len(store), store.reached_offset) == (2, 2)
        producer.begin_transaction()
        write(stack, producer, 3)
        producer.commit_transaction(10)
        catching_up(stack, store, pool).result(20)
        assert (len(store), store.reached_offset) == (3, 4)


def test_a_transaction_that_is_still_open_is_waited_for(stack: Stack, producer: Producer, store: DedupStore) -> None:
    """Its offsets may be committed for good, while its movements are not to be read yet."""
    with ThreadPoolExecutor(1) as pool:
        write(stack, producer, 1, 2)
        reading = catching_up(stack, store, pool)
        time.sleep(OPEN_SECONDS)
        assert not reading.done()
        producer.commit_transaction(10)
        reading.result(20)
    assert len(store) == 2


@pytest.mark.usefixtures("not_on_tansu")
def test_what_an_aborted_transaction_wrote_is_not_remembered(
    stack: Stack, producer: Producer, store: DedupStore
) -> None:
    """Tansu shows it."""
    with ThreadPoolExecutor(1) as pool:
        write(stack, producer, 1, 2)
        reading = catching_up(stack, store, pool)
        time.sleep(OPEN_SECONDS)
        producer.abort_transaction(10)
        reading.result(20)

    assert len(store) == 0


def test_the_log_is_read_from_the_first_movement_that_was_written_since(
    stack: Stack, producer: Producer, store: DedupStore, kafka: Kafka
) -> None:
    """Times do not rise; Tansu answers with the beginning whatever the time, so there everything is read."""
    seconds = (100, 200, 500, 300, 400, 600, 250, 700)
    for number, second in enumerate(seconds):
        value = stack.codec(CREDIT_MOVEMENTS).encode_one(movement(number))
        producer.produce(CREDIT_MOVEMENTS.name, value, partition=0, timestamp=1000 * second)
    producer.commit_transaction(10)
    with closing(clients.reading_consumer(stack.settings, "log")) as consumer:
        reader = LogReader(consumer, stack.codec(CREDIT_MOVEMENTS))
        for since, first in ((0, 0), (450, 2), (501, 5), (650, 7), (701, 8)):
            store.reached_offset, store.forgotten_before = 0, NOTHING_FORGOTTEN
            reader.skip({0: store}, {0: Needed(occurred_since=5, written_since=since * 10**6)})
            skipped = 0 if kafka.is_tansu else first
            # The end may lie behind the marker of the transaction already.
            assert min(store.reached_offset, len(seconds)) == skipped
            assert store.forgotten_before == (5 if skipped else NOTHING_FORGOTTEN)


def test_what_an_open_transaction_wrote_is_not_skipped(stack: Stack, producer: Producer, store: DedupStore) -> None:
    with ThreadPoolExecutor(1) as pool:
        write(stack, producer, 1, 2)
        with closing(clients.reading_consumer(stack.settings, "log")) as consumer:
            reader = LogReader(consumer, stack.codec(CREDIT_MOVEMENTS))
            reader.skip({0: store}, {0: Needed(occurred_since=5, written_since=5)})
        assert store.reached_offset == 0
        producer.commit_transaction(10)
        catching_up(stack, store, pool).result(20)
    assert len(store) == 2
