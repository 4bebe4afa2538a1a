"""Kafka as our code uses it: the embedded broker and Apache Kafka pass the same tests.

What Tansu cannot do stands here as expected failures, by name.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from kafka_io.transaction_watch import TransactionWatch
from tests.kafka.brokers import OWN, Kafka


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


def test_a_group_is_joined_within_three_seconds(topic: str, consumer: Consumer) -> None:
    began = time.monotonic()
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
        assert time.monotonic() - began < (15 if OWN else 3)


def test_the_end_of_a_partition_is_reported_after_the_transactions_marker(
    topic: str, transactional: Producer, consumer: Consumer
) -> None:
    """So who commits the end that was reported has committed all there is."""
    transactional.begin_transaction()
    produce(transactional, topic, b"1", b"2")
    transactional.commit_transaction(10)
    messages, end = read_to_the_end(consumer, topic)
    assert [message.value() for message in messages] == [b"1", b"2"]
    assert end == 3
    consumer.commit(offsets=[TopicPartition(topic, 0, end)], asynchronous=False)
    assert consumer.committed([TopicPartition(topic, 0)], timeout=5)[0].offset == 3


def test_records_of_an_open_transaction_are_not_read_yet(
    topic: str, producer: Producer, transactional: Producer, consumer: Consumer
) -> None:
    produce(producer, topic, b"before")
    transactional.begin_transaction()
    produce(transactional, topic, b"within")
    messages, end = read_to_the_end(consumer, topic)
    assert ([message.value() for message in messages], end) == ([b"before"], 1)
    transactional.commit_transaction(10)
    messages, _ = read_to_the_end(consumer, topic)
    assert [message.value() for message in messages] == [b"before", b"within"]


def test_offsets_are_committed_with_the_transaction(
    address: str, topic: str, transactional: Producer, consumer: Consumer
) -> None:
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
    output = f"{topic}-output"
    create_topic(address, output)
    for offset in (5, 9):
        transactional.begin_transaction()
        produce(transactional, output, b"x")
        transactional.send_offsets_to_transaction(
            [TopicPartition(topic, 0, offset)], consumer.consumer_group_metadata(), 10
        )
        transactional.commit_transaction(10)
        assert consumer.committed([TopicPartition(topic, 0)], timeout=5)[0].offset == offset


@pytest.mark.parametrize("end", ["commit_transaction", "abort_transaction"])
def test_librdkafka_tells_of_each_request_of_a_transaction_and_of_its_answer(
    address: str, topic: str, consumer: Consumer, end: str
) -> None:
    """So a rater keeps its producer from batch to batch."""
    watch = TransactionWatch(logging.getLogger("kafka"))
    settings = {"bootstrap.servers": address, "transactional.id": str(uuid.uuid4()), "debug": "protocol"}
    producer = Producer(settings, logger=watch)
    producer.init_transactions(10)
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
    for offset in range(3):
        watch.begin()
        producer.begin_transaction()
        produce(producer, topic, b"x")
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)], consumer.consumer_group_metadata(), 10)
        getattr(producer, end)(10)
        producer.poll(0)
        assert watch.left_behind() is None


def test_an_older_producer_of_the_same_transactional_id_is_fenced(address: str, topic: str) -> None:
    settings = {"bootstrap.servers": address, "transactional.id": str(uuid.uuid4()), "log_level": 0}
    older, newer = Producer(settings), Producer(settings)
    older.init_transactions(10)
    newer.init_transactions(10)
    with pytest.raises(KafkaException) as fenced:  # noqa: PT012 - the broker may notice at either step
        older.begin_transaction()
        older.produce(topic, b"x")
        older.commit_transaction(10)
    assert fenced.value.args[0].code() in {KafkaError._FENCED, KafkaError.PRODUCER_FENCED}


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
    """Tansu answers with the place after the *first* record of the last batch: read until the end is reported."""
    produce(producer, topic, b"1", b"2", b"3")
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=5) == (0, 3)


@pytest.mark.usefixtures("not_on_tansu")
def test_a_place_can_be_found_by_time(topic: str, producer: Producer, consumer: Consumer) -> None:
    """Tansu answers 0, whatever the time."""
    for timestamp_ms in (1000, 2000, 3000):
        producer.produce(topic, b"x", partition=0, timestamp=timestamp_ms)
        producer.flush(10)
    assert consumer.offsets_for_times([TopicPartition(topic, 0, 1500)], timeout=5)[0].offset == 1


@pytest.mark.usefixtures("not_on_tansu")
def test_aborted_records_are_not_read(topic: str, transactional: Producer, consumer: Consumer) -> None:
    transactional.begin_transaction()
    produce(transactional, topic, b"aborted")
    transactional.abort_transaction(10)
    assert read_to_the_end(consumer, topic)[0] == []


@pytest.mark.usefixtures("not_on_tansu")
def test_a_transaction_of_offsets_alone_commits_them(topic: str, transactional: Producer, consumer: Consumer) -> None:
    """Tansu forgets them, but for a producer's first transaction: with nothing to write, commit without one."""
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
    for offset in (5, 9):
        transactional.begin_transaction()
        transactional.send_offsets_to_transaction(
            [TopicPartition(topic, 0, offset)], consumer.consumer_group_metadata(), 10
        )
        transactional.commit_transaction(10)
        assert consumer.committed([TopicPartition(topic, 0)], timeout=5)[0].offset == offset


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


def test_an_answer_tells_up_to_where_records_are_written_committed_or_not(
    topic: str, transactional: Producer, consumer: Consumer
) -> None:
    """A reader of committed records sees by it that a transaction is open."""
    transactional.begin_transaction()
    produce(transactional, topic, b"1", b"2")
    assert read_to_the_end(consumer, topic) == ([], 0)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), cached=True)[1] == 2
    transactional.commit_transaction(10)


@pytest.mark.usefixtures("not_on_tansu")
def test_offsets_of_a_member_that_the_group_does_not_know_any_more_are_refused(
    address: str, topic: str, transactional: Producer
) -> None:
    """So a rater that lost its partitions in the middle of a batch cannot commit it. Tansu takes them from anybody."""
    with closing(Consumer(consumer_settings(address))) as member:
        member.subscribe([topic])
        while not member.assignment():
            member.poll(0.1)
        membership = member.consumer_group_metadata()
    transactional.begin_transaction()
    produce(transactional, topic, b"x")
    with pytest.raises(KafkaException) as refused:
        transactional.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], membership, 10)
    assert refused.value.args[0].txn_requires_abort()
    transactional.abort_transaction(10)
