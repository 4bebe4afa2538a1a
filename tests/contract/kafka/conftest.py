"""Topics of a test's own on each broker in turn, and clients of all kinds."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer, Producer

from tests.contract.kafka.clients import consumer_settings, create_topic
from tests.kafka.brokers import Kafka


@pytest.fixture
def address(shared_kafka: Kafka) -> str:
    return shared_kafka.bootstrap_servers


@pytest.fixture
def topic(address: str) -> str:
    """A topic of one partition, empty."""
    name = f"topic-{uuid.uuid4()}"
    create_topic(address, name)
    return name


@pytest.fixture
def producer(address: str) -> Producer:
    return Producer({"bootstrap.servers": address, "linger.ms": 20})


@pytest.fixture
def transactional(address: str) -> Producer:
    producer = Producer({"bootstrap.servers": address, "transactional.id": str(uuid.uuid4())})
    producer.init_transactions(10)
    return producer


@pytest.fixture
def consumer(address: str) -> Iterator[Consumer]:
    with closing(Consumer(consumer_settings(address))) as consumer:
        yield consumer
