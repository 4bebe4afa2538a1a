"""What a poll of the log brought is told apart: messages, ends of partitions, trouble, and the end of all."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from sinks.write.batch import read_batch


def _message(partition: int, offset: int) -> Message:
    return Message(topic="t", partition=partition, offset=offset, value=b"%d" % offset)


def _event(code: int, partition: int = 0, offset: int = 0, fatal: bool = False) -> Message:
    return Message(topic="t", partition=partition, offset=offset, error=KafkaError(code, "said so", fatal))


def test_the_place_reached_is_the_next_to_read_of_each_partition() -> None:
    poll = read_batch([_message(0, 5), _message(1, 9), _message(0, 6)])
    assert poll.reached == {0: 7, 1: 10}
    assert (poll.values, poll.partitions.tolist(), poll.offsets.tolist()) == ([b"5", b"9", b"6"], [0, 1, 0], [5, 9, 6])


def test_an_end_of_partition_reaches_beyond_the_transaction_marker() -> None:
    assert read_batch([_message(0, 5), _event(KafkaError._PARTITION_EOF, 0, 7)]).reached == {0: 7}


def test_a_message_after_an_end_of_partition_reaches_further() -> None:
    assert read_batch([_event(KafkaError._PARTITION_EOF, 0, 7), _message(0, 7)]).reached == {0: 8}


def test_an_empty_partition_is_reached_at_its_end() -> None:
    assert read_batch([_event(KafkaError._PARTITION_EOF, 3, 0)]).reached == {3: 0}


def test_trouble_that_the_client_gets_over_is_passed_on_as_text() -> None:
    poll = read_batch([_event(KafkaError._ALL_BROKERS_DOWN), _message(0, 1)])
    assert poll.complaints == ["said so"]
    assert poll.reached == {0: 2}


def test_a_fatal_error_of_the_client_is_raised() -> None:
    with pytest.raises(KafkaException, match="said so"):
        read_batch([_event(KafkaError._FATAL, fatal=True)])
