"""Topics, offsets and reading as our code uses them. The embedded broker and Apache Kafka pass the same tests.

What Tansu cannot do is an expected failure, by name.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from kafka_io.offsets import first_written_since, reported_begins, reported_ends
from kafka_io.positions import TopicPartition as Partition
from kafka_io.reading import Span, StoppedError, read_together, read_together_to_end
from tests.contract.kafka.clients import consumer_settings, create_topic, produce, read_to_the_end
from tests.kafka.brokers import OWN


def test_a_group_is_joined_within_three_seconds(topic: str, consumer: Consumer) -> None:
    began = time.monotonic()
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
        assert time.monotonic() - began < (15 if OWN else 3)


@pytest.mark.usefixtures("not_on_tansu")
def test_log_append_time_is_the_brokers_time(address: str, producer: Producer, consumer: Consumer) -> None:
    """Tansu takes the setting and keeps the producer's time."""
    topic = f"topic-{uuid.uuid4()}"
    create_topic(address, topic, **{"message.timestamp.type": "LogAppendTime"})
    producer.produce(topic, b"x", timestamp=1000)
    producer.flush(10)
    kind, timestamp_ms = read_to_the_end(consumer, topic)[0][0].timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert timestamp_ms > 1000


@pytest.mark.usefixtures("not_on_tansu")
def test_the_end_can_be_asked_for(topic: str, producer: Producer, consumer: Consumer) -> None:
    """Tansu answers with the offset after the *first* record of the last batch: read until the end is reported."""
    produce(producer, topic, b"1", b"2", b"3")
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=5) == (0, 3)


@pytest.mark.usefixtures("not_on_tansu")
def test_an_offset_can_be_found_by_time(topic: str, producer: Producer, consumer: Consumer) -> None:
    """Tansu answers 0, whatever the time."""
    for timestamp_ms in (1000, 2000, 3000):
        producer.produce(topic, b"x", partition=0, timestamp=timestamp_ms)
        producer.flush(10)
    assert consumer.offsets_for_times([TopicPartition(topic, 0, 1500)], timeout=5)[0].offset == 1


@pytest.mark.usefixtures("not_on_tansu")
def test_a_commit_carries_a_note(topic: str, consumer: Consumer) -> None:
    consumer.commit(offsets=[TopicPartition(topic, 0, 1, "a note")], asynchronous=False)
    assert consumer.committed([TopicPartition(topic, 0)], timeout=5)[0].metadata == "a note"


def test_topics_have_ids(address: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    assert str(admin.describe_topics(TopicCollection([topic]))[topic].result(5).topic_id)


@pytest.mark.parametrize("codec", ["none", "lz4", "zstd", "gzip", "snappy"])
def test_every_compression(address: str, topic: str, consumer: Consumer, codec: str) -> None:
    producer = Producer({"bootstrap.servers": address, "compression.type": codec, "linger.ms": 20})
    values = [b"value %d" % number for number in range(200)]
    produce(producer, topic, *values)
    assert [message.value() for message in read_to_the_end(consumer, topic)[0]] == values


def test_a_consumer_finds_every_record_of_several_batches(topic: str, producer: Producer, consumer: Consumer) -> None:
    for size in (1, 5, 3):
        produce(producer, topic, *[b"x"] * size)
    messages, end = read_to_the_end(consumer, topic)
    assert [message.offset() for message in messages] == list(range(9))
    assert end == 9


def test_the_beginning_can_be_asked_for(address: str, topic: str, producer: Producer) -> None:
    produce(producer, topic, b"1", b"2")
    partition = TopicPartition(topic, 0)
    admin = AdminClient({"bootstrap.servers": address})
    assert admin.list_offsets({partition: OffsetSpec.earliest()})[partition].result(5).offset == 0


@pytest.mark.usefixtures("not_on_tansu")
def test_an_offset_that_is_not_there_is_refused(address: str, topic: str) -> None:
    """Tansu says nothing, neither then nor later."""
    with closing(Consumer({**consumer_settings(address), "auto.offset.reset": "error"})) as consumer:
        consumer.assign([TopicPartition(topic, 0, 1000)])
        message = consumer.poll(3)
        assert message is not None
        assert message.error().code() == KafkaError._AUTO_OFFSET_RESET
        assert (message.partition(), message.offset()) == (0, 1000)


def test_partitions_are_read_together_each_in_order_and_to_where_it_was_asked(
    address: str, producer: Producer, consumer: Consumer
) -> None:
    names = [f"together-{uuid.uuid4()}" for _ in range(3)]
    for name, count in zip(names, (1_200, 3, 0), strict=True):
        create_topic(address, name)
        produce(producer, name, *(b"%d" % number for number in range(count)))
    many, few, none = (Partition(name, 0) for name in names)
    stop = threading.Event()

    def read(pieces: Iterator[tuple[Partition, list[Message]]]) -> dict[Partition, list[int | None]]:
        offsets: dict[Partition, list[int | None]] = {}
        for partition, messages in pieces:
            offsets.setdefault(partition, []).extend(message.offset() for message in messages)
        return offsets

    spans = {many: Span(100, 1_000), few: Span(1, 2), none: Span(0, 0)}
    assert read(read_together(consumer, spans, stop)) == {many: list(range(100, 1_000)), few: [1]}
    assert read(read_together_to_end(consumer, spans, stop)) == {many: list(range(100, 1_200)), few: [1, 2]}
    assert reported_begins(consumer, [many, none]) == {many: 0, none: 0}
    # As a member of a group asks that has more members than partitions.
    assert reported_begins(consumer, []) == reported_ends(consumer, []) == first_written_since(consumer, {}) == {}
    stop.set()
    with pytest.raises(StoppedError):
        read(read_together(consumer, spans, stop))
