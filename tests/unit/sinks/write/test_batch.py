"""A batch of the log: messages, ends of partitions, errors that pass, and errors that do not."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from sinks.write.batch import read_batch


def _message(partition: int, offset: int) -> Message:
    return Message(topic="t", partition=partition, offset=offset, value=b"%d" % offset)


def _event(code: int, partition: int = 0, offset: int = 0, fatal: bool = False) -> Message:
    return Message(topic="t", partition=partition, offset=offset, error=KafkaError(code, "said so", fatal))


def test_a_batch_reaches_the_next_offset_of_each_partition() -> None:
    batch = read_batch([[_message(0, 5), _message(1, 9), _message(0, 6)]])
    assert batch.reached == {0: 7, 1: 10}
    assert (batch.values, batch.partitions.tolist(), batch.offsets.tolist()) == (
        [b"5", b"9", b"6"],
        [0, 1, 0],
        [5, 9, 6],
    )


def test_the_pieces_of_a_batch_are_one_batch() -> None:
    batch = read_batch([[_message(0, 5)], [_message(1, 9), _event(KafkaError._PARTITION_EOF, 0, 7)], [_message(0, 8)]])
    assert batch.values == [b"5", b"9", b"8"]
    assert batch.reached == {0: 9, 1: 10}


def test_an_end_of_partition_reaches_beyond_the_transaction_marker() -> None:
    assert read_batch([[_message(0, 5), _event(KafkaError._PARTITION_EOF, 0, 7)]]).reached == {0: 7}


def test_a_message_after_an_end_of_partition_reaches_further() -> None:
    assert read_batch([[_event(KafkaError._PARTITION_EOF, 0, 7), _message(0, 7)]]).reached == {0: 8}


def test_an_empty_partition_is_reached_at_its_end() -> None:
    assert read_batch([[_event(KafkaError._PARTITION_EOF, 3, 0)]]).reached == {3: 0}


def test_trouble_that_the_client_gets_over_is_passed_on_as_text() -> None:
    batch = read_batch([[_event(KafkaError._ALL_BROKERS_DOWN), _message(0, 1)]])
    assert batch.complaints == ["said so"]
    assert batch.reached == {0: 2}


def test_a_fatal_error_of_the_client_is_raised() -> None:
    with pytest.raises(KafkaException, match="said so"):
        read_batch([[_event(KafkaError._FATAL, fatal=True)]])
