"""The made-up traffic arrives on a real broker as another team's client would have sent it."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient

from credit_movements.demo.company import Company, company
from credit_movements.demo.generated.spoiled import WRONG_PARTITION
from credit_movements.demo.traffic import PRODUCER_SETTINGS, publish
from credit_movements.embedded.broker import broker_service
from credit_movements.supervision.processes import running
from schemas.codec import RecordCodec
from schemas.partitioner import account_partition
from schemas.registry import SubjectSchemas
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS, Topic
from tests.conftest import free_port

PARTITIONS = 4
NOW = 1_763_884_800_123_456  # 2025-11-23T08:00:00.123456Z


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A broker with empty input topics, for one test alone."""
    port = free_port()
    with running(broker_service(port), tmp_path):
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        topics = [NewTopic(topic.name, PARTITIONS, 1) for topic in (USAGE_EVENTS, TOP_UP_EVENTS)]
        for created in admin.create_topics(topics).values():
            created.result(10)
        yield f"127.0.0.1:{port}"


@pytest.fixture
def codecs(registry: str) -> Iterator[dict[Topic, RecordCodec]]:
    with SchemaRegistryClient({"url": registry}) as client:
        yield {topic: RecordCodec(topic, SubjectSchemas(client)) for topic in (USAGE_EVENTS, TOP_UP_EVENTS)}


@pytest.fixture
def made() -> Company:
    return company(NOW, seed=4, events=2_000)


def _read(address: str, topic: Topic, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "a-reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic.name, partition, 0) for partition in range(PARTITIONS)])
    messages: list[Message] = []
    give_up_at = time.monotonic() + 30.0
    while len(messages) < count and time.monotonic() < give_up_at:
        messages += consumer.consume(10_000, 0.2)
    consumer.close()
    assert all(message.error() is None for message in messages)
    return messages


def test_every_message_arrives_and_can_be_read_unless_it_was_spoiled(
    address: str, codecs: dict[Topic, RecordCodec], made: Company
) -> None:
    # A queue smaller than a batch: the rest of it must be sent again, in order.
    producer = Producer({"bootstrap.servers": address, "queue.buffering.max.messages": 500, **PRODUCER_SETTINGS})
    sent = publish(made, producer, codecs[USAGE_EVENTS], codecs[TOP_UP_EVENTS], PARTITIONS)
    assert sent == sum(made.expected(topic).messages for topic in codecs)
    for topic, codec in codecs.items():
        messages = _read(address, topic, made.expected(topic).messages)
        decoded = codec.decode([message.value() for message in messages])
        spoiled = Counter(each.reason for each in made.spoiled if each.topic is topic and each.how != WRONG_PARTITION)
        assert Counter(refusal.reason for refusal in decoded.refusals) == spoiled
        assert len(decoded.rows) + len(decoded.refusals) == made.expected(topic).messages


def test_an_account_lies_in_its_partition_and_its_events_in_their_order(
    address: str, codecs: dict[Topic, RecordCodec], made: Company
) -> None:
    producer = Producer({"bootstrap.servers": address, **PRODUCER_SETTINGS})
    publish(made, producer, codecs[USAGE_EVENTS], codecs[TOP_UP_EVENTS], PARTITIONS)
    messages = _read(address, USAGE_EVENTS, made.expected(USAGE_EVENTS).messages)
    rows = codecs[USAGE_EVENTS].decode([message.value() for message in messages]).rows
    spoiled = [each.record["event_id"] for each in made.spoiled]
    misplaced = [each.record["event_id"] for each in made.spoiled if each.how == WRONG_PARTITION]
    for account_id in ("acme-logistics", "🍕-pronto", "株式会社山田商店"):
        home = account_partition(account_id, PARTITIONS)
        of_account = rows.filter(pl.col("account_id") == account_id)
        for row in of_account.to_dicts():
            message = messages[row["row"]]
            assert message.key() == account_id.encode()
            assert (message.partition() == home) == (row["event_id"] not in misplaced)
        in_order = made.usage_events.filter(pl.col("account_id") == account_id)["event_id"]
        assert of_account.filter(~pl.col("event_id").is_in(spoiled))["event_id"].to_list() == in_order.to_list()


def test_a_message_that_is_not_delivered_is_an_error(codecs: dict[Topic, RecordCodec], made: Company) -> None:
    nobody = {"bootstrap.servers": f"127.0.0.1:{free_port()}", "message.timeout.ms": 500, "log_level": 0}
    with pytest.raises(KafkaException, match="timed out"):
        publish(
            made, Producer({**nobody, **PRODUCER_SETTINGS}), codecs[USAGE_EVENTS], codecs[TOP_UP_EVENTS], PARTITIONS
        )
