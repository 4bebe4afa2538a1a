"""All records pass a queue that is full now and then, in their order. Any other error is raised."""

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_io.producing import Deliveries, poll, produce, produce_all


class SmallQueue:
    """A producer with room for two records; `poll` empties it."""

    def __init__(self, error: int = KafkaError._QUEUE_FULL) -> None:
        self.sent: list[str] = []
        self._room = 2
        self._error = error

    def poll(self, _: float) -> int:
        self._room = 2
        return 0

    def produce(self, _: str, value: str) -> None:
        if self._room == 0:
            raise BufferError
        self._room -= 1
        self.sent.append(value)

    def produce_batch(self, _: str, records: list[dict[str, Any]], partition: int) -> int:
        taken, left = records[: self._room], records[self._room :]
        self._room -= len(taken)
        self.sent += [record["value"] for record in taken]
        for record in left:
            record["_error"] = KafkaError(self._error)
        return len(taken)

    def flush(self, _: float) -> int:
        return 3


def test_all_of_a_list_go_through_a_full_queue_in_order() -> None:
    queue = SmallQueue()
    records = [{"value": str(number)} for number in range(7)]
    produce_all(cast(Any, queue), "topic", records, 1)
    assert queue.sent == [str(number) for number in range(7)]


def test_no_records_are_no_matter() -> None:
    queue = SmallQueue()
    produce_all(cast(Any, queue), "topic", [])
    assert queue.sent == []


def test_a_record_that_is_refused_for_another_reason_is_raised() -> None:
    queue = SmallQueue(KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(KafkaException):
        produce_all(cast(Any, queue), "topic", [{"value": "x"}] * 3)


def test_one_record_waits_for_room() -> None:
    queue = SmallQueue()
    for number in range(5):
        produce(cast(Any, queue), "topic", value=str(number))
    assert queue.sent == ["0", "1", "2", "3", "4"]


def test_what_failed_and_what_was_not_answered_in_time_is_undelivered() -> None:
    deliveries = Deliveries(cast(Any, SmallQueue()))
    deliveries.note(None, cast(Any, None))
    deliveries.note(KafkaError(KafkaError._MSG_TIMED_OUT), cast(Any, None))
    assert deliveries.undelivered(1.0) == 4
    assert [error.code() for error in deliveries.failures] == [KafkaError._MSG_TIMED_OUT]


class FencedWhileFlushing(SmallQueue):
    def flush(self, _: float) -> int:
        raise SystemError("note returned a result with an exception set") from KafkaException(
            KafkaError(KafkaError._FENCED)
        )


def test_a_fatal_error_within_a_flush_is_kafkas_own() -> None:
    with pytest.raises(KafkaException) as raised:
        Deliveries(cast(Any, FencedWhileFlushing())).undelivered(1.0)
    assert raised.value.args[0].code() == KafkaError._FENCED


def test_a_call_whose_error_python_lost_is_made_once_more() -> None:
    class LosesTheCause(SmallQueue):
        def __init__(self) -> None:
            super().__init__()
            self.polls = 0

        def poll(self, _: float) -> int:
            self.polls += 1
            if self.polls == 1:
                raise SystemError("error return without exception set")
            raise KafkaException(KafkaError(KafkaError._FENCED))

    producer = LosesTheCause()
    with pytest.raises(KafkaException):
        poll(cast(Any, producer), 0)
    assert producer.polls == 2
