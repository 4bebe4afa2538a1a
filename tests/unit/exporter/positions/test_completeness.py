"""The order of the steps that tell how far the ledger has come: a claim of completeness rests on it, for all partitions of a
round."""

from typing import Any, cast

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer
from confluent_kafka import TopicPartition as PartitionOffset

from exporter.positions.completeness import Completeness, Rated
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS, Topic

SOURCES = (USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
NOW_MICROS = 1_793_000_000_000_000
APPENDED = (TIMESTAMP_LOG_APPEND_TIME, NOW_MICROS // 1000 - 7)


class Record:
    """A message of a consumer: where it lies, and its time."""

    def __init__(self, topic: str, partition: int, offset: int, timestamp: tuple[int, int]) -> None:
        self._place = (topic, partition, offset)
        self._timestamp = timestamp

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def error(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp


class Kafka:
    """Notes what it is asked, in order. In each partition there are two records where the raters go on."""

    def __init__(self, rated: dict[tuple[str, int], int], times: dict[tuple[str, int], tuple[int, int]]) -> None:
        self.asked: list[str] = []
        self._rated = rated
        self._times = times
        self._waiting: list[Record] = []

    def now_micros(self) -> int:
        self.asked.append("time")
        return NOW_MICROS

    def committed(self, partitions: list[PartitionOffset], _: float) -> list[PartitionOffset]:
        self.asked.append("committed")
        return [
            PartitionOffset(p.topic, p.partition, self._rated.get((p.topic, p.partition), -1001)) for p in partitions
        ]

    def assign(self, partitions: list[PartitionOffset]) -> None:
        self.asked.append("next record")
        self._waiting = [
            Record(p.topic, p.partition, p.offset + later, (kind, milliseconds + later))
            for p in partitions
            for kind, milliseconds in [self._times.get((p.topic, p.partition), APPENDED)]
            for later in (0, 1)
        ]

    def unassign(self) -> None:
        self._waiting = []

    def consume(self, count: int, _: float) -> list[Record]:
        given, self._waiting = self._waiting[:count], self._waiting[count:]
        return given

    def written_ends(self, partitions: Any) -> dict[int, int]:
        self.asked.append("written end")
        return {each: 100 + each for each in partitions}

    def rated_until(self, *partitions: int) -> dict[int, Rated | None]:
        consumer = cast(Consumer, self)
        return Completeness(consumer, consumer, self.written_ends, self.now_micros).rated_until(partitions)


@pytest.fixture
def rated() -> dict[tuple[str, int], int]:
    return {(topic.name, partition): 5 for topic in SOURCES for partition in range(3)}


def test_time_then_what_is_rated_then_the_next_record_then_what_is_written(rated: dict[tuple[str, int], int]) -> None:
    kafka = Kafka(rated, {})
    kafka.rated_until(0, 1, 2)
    assert kafka.asked == ["time", "committed", "next record", "written end"]


@pytest.mark.parametrize("topic", SOURCES, ids=lambda topic: topic.name)
def test_the_first_record_that_waits_counts_and_the_earliest_of_the_topics(
    rated: dict[tuple[str, int], int], topic: Topic
) -> None:
    early = {(topic.name, 1): (TIMESTAMP_LOG_APPEND_TIME, 1000)}
    until = NOW_MICROS // 1000 * 1000 - 7000
    assert Kafka(rated, early).rated_until(0, 1) == {0: (until, 100), 1: (1_000_000, 101)}


@pytest.mark.parametrize("topic", SOURCES, ids=lambda topic: topic.name)
def test_what_is_not_sure_of_one_partition_is_no_answer_for_it_alone(
    rated: dict[tuple[str, int], int], topic: Topic
) -> None:
    del rated[topic.name, 2]
    publishers = {(topic.name, 0): (TIMESTAMP_CREATE_TIME, 1000)}
    answers = Kafka(rated, publishers).rated_until(0, 1, 2)
    assert (answers[0], answers[2]) == (None, None)
    assert answers[1] is not None
