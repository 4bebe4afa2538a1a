"""One poll is sorted into records, ends of partitions and errors, and says where each partition goes on."""

from collections.abc import Callable
from itertools import chain
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from kafka_io.batches import OffsetOutOfRangeError, available_pieces, offsets_after, sort_out
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


class Waiting:
    """A consumer to which records come at given times, as its waits make them pass."""

    def __init__(self, *arrivals: tuple[float, int]) -> None:
        self._arrivals = [at for at, count in arrivals for _ in range(count)]
        self.taken = 0
        self.now = 0.0

    def consume(self, count: int, wait_seconds: float) -> list[Message]:
        """As Confluent's: it waits its whole time, unless `count` come earlier."""
        wanted = self._arrivals[self.taken : self.taken + count]
        in_time = [at for at in wanted if at <= self.now + wait_seconds]
        self.now = max(self.now, in_time[-1]) if len(in_time) == count else self.now + wait_seconds
        self.taken += len(in_time)
        return [_record(self.taken - len(in_time) + number) for number in range(len(in_time))]


def _never() -> bool:
    return False


def _offsets(consumer: Waiting, most: int = 5_000, is_busy: Callable[[], bool] = _never) -> list[int | None]:
    pieces = available_pieces(cast(Any, consumer), most, 0.5, is_busy)
    return [record.offset() for record in chain.from_iterable(pieces)]


def test_what_is_there_is_taken_at_once_in_order() -> None:
    consumer = Waiting((0.0, 1_234), (0.1, 1))
    assert _offsets(consumer) == list(range(1_234))
    assert consumer.now == 0.0


def test_where_nothing_is_there_the_first_record_ends_the_waiting() -> None:
    consumer = Waiting((0.2, 1), (0.3, 1))
    assert _offsets(consumer) == [0]
    assert consumer.now == 0.2


def test_without_a_record_it_waits_its_time_and_gives_nothing() -> None:
    consumer = Waiting((0.7, 1))
    assert _offsets(consumer) == []
    assert consumer.now == 0.5


def test_it_takes_no_more_than_the_most() -> None:
    assert _offsets(Waiting((0.0, 3_000)), 1_200) == list(range(1_200))


def test_while_nobody_can_take_them_records_gather() -> None:
    consumer = Waiting(*((at / 100, 10) for at in range(100)))
    gathered = _offsets(consumer, is_busy=lambda: consumer.now < 0.3)
    assert 300 <= len(gathered) <= 320
    assert consumer.now == pytest.approx(0.3, abs=0.02)


def test_records_that_gather_are_given_at_once_when_they_are_the_most() -> None:
    consumer = Waiting((0.0, 3_000))
    assert len(_offsets(consumer, 1_000, is_busy=lambda: True)) == 1_000
    assert consumer.now == 0.0


def test_who_has_waited_for_others_does_not_wait_for_a_first_record_too() -> None:
    consumer = Waiting()
    assert _offsets(consumer, is_busy=lambda: consumer.now < 0.1) == []
    assert consumer.now < 0.2
