"""One poll is sorted into records, ends of partitions and errors, and says where each partition goes on."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from kafka_io.batches import OffsetOutOfRangeError, offsets_after, sort_out
from kafka_io.positions import TopicPartition

HERE = TopicPartition("usage-events", 3)


def test_a_partition_goes_on_after_the_last_record_read() -> None:
    assert offsets_after({HERE: 5}, {HERE: 8}, {}) == {HERE: 8}


def test_an_end_beyond_the_records_counts_the_transaction_markers_in() -> None:
    assert offsets_after({HERE: 5}, {HERE: 8}, {HERE: 9}) == {HERE: 9}
    assert offsets_after({HERE: 5}, {}, {HERE: 6}) == {HERE: 6}


def test_an_end_that_was_told_before_the_next_record_came_does_not_count_that_record_out() -> None:
    assert offsets_after({HERE: 5}, {HERE: 8}, {HERE: 7}) == {HERE: 8}


def test_an_end_where_the_partition_stands_already_is_no_news() -> None:
    assert offsets_after({HERE: 5}, {}, {HERE: 5}) == {}


def _record(offset: int) -> Message:
    return Message(topic=HERE.topic, partition=HERE.partition, offset=offset, value=b"")


def _error(code: int, offset: int = 0, fatal: bool = False) -> Message:
    return Message(topic=HERE.topic, partition=HERE.partition, offset=offset, error=KafkaError(code, "said so", fatal))


def test_records_keep_their_order_and_ends_are_told_apart_from_them() -> None:
    batch = sort_out([_record(5), _error(KafkaError._PARTITION_EOF, 7), _record(7)])
    assert [record.offset() for record in batch.records] == [5, 7]
    assert batch.ends == {HERE: 7}


def test_an_error_that_the_consumer_recovers_from_is_only_said() -> None:
    said: list[KafkaError] = []
    batch = sort_out([_error(KafkaError._ALL_BROKERS_DOWN), _record(1)], said.append)
    assert [error.str() for error in said] == ["said so"]
    assert len(batch.records) == 1


def test_a_fatal_error_is_raised() -> None:
    with pytest.raises(KafkaException, match="said so"):
        sort_out([_record(1), _error(KafkaError._FATAL, fatal=True)])


def test_an_offset_out_of_range_is_raised_with_its_position() -> None:
    with pytest.raises(
        OffsetOutOfRangeError, match="partition 3: offset 9 is to be read next, and is not there"
    ) as raised:
        sort_out([_error(KafkaError._AUTO_OFFSET_RESET, 9)])
    assert (raised.value.topic_partition, raised.value.offset) == (HERE, 9)
