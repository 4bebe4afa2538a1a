"""Kafka's own words for where a record lies: topic partition and record position."""

from typing import NamedTuple

from confluent_kafka import Message


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class RecordPosition(NamedTuple):
    """Where one record lies."""

    topic_partition: TopicPartition
    offset: int

    @property
    def next_offset(self) -> int:
        """The offset to read after this record."""
        return self.offset + 1


def position_of(message: Message) -> RecordPosition:
    """The position of a consumer's message, be it a record or an error of a partition."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return RecordPosition(TopicPartition(topic, partition), offset)
