"""What the tests of a Kafka do with its clients."""

import time
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.kafka.brokers import OWN


def consumer_settings(address: str) -> dict[str, str | int | bool]:
    return {
        "bootstrap.servers": address,
        "group.id": str(uuid.uuid4()),
        # A broker of your own may not take less than 6 s.
        "session.timeout.ms": 6000 if OWN else 2000,
        "heartbeat.interval.ms": 500,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }


def create_topic(address: str, name: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(10)
    # The controller has made it; the broker, which answers all else, hears of it a moment later.
    deadline = time.monotonic() + 30
    while name not in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline, f"no topic {name}"
        time.sleep(0.02)


def read_to_the_end(consumer: Consumer, topic: str, offset: int = OFFSET_BEGINNING) -> tuple[list[Message], int]:
    """All records of partition 0, and the offset that the end was reported at."""
    consumer.assign([TopicPartition(topic, 0, offset)])
    messages = []
    while True:
        message = consumer.poll(10)
        assert message is not None
        error = message.error()
        if error is None:
            messages.append(message)
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            end = message.offset()
            assert end is not None
            return messages, end


def produce(producer: Producer, topic: str, *values: bytes) -> None:
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(10) == 0
