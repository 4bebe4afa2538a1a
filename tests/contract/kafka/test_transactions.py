"""Kafka's transactions as our code uses them. The embedded broker and Apache Kafka pass the same tests.

What Tansu cannot do is an expected failure, by name.
"""

import logging
import uuid
from contextlib import closing

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from kafka_io.transaction_watch import TransactionWatch
from tests.contract.kafka.clients import consumer_settings, create_topic, produce, read_to_the_end


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
