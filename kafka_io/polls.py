"""A partition of a topic, the position of a record in it, and what one poll of a consumer brought."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message

logger = logging.getLogger(__name__)


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class OutOfRangeError(Exception):
    """A partition does not hold the offset that is to be read next."""

    def __init__(self, place: TopicPartition, offset: int) -> None:
        super().__init__(
            f"{place.topic}, partition {place.partition}: offset {offset} is to be read next, and is not there"
        )
        self.place = place
        self.offset = offset


def position_of(message: Message) -> tuple[TopicPartition, int]:
    """Where a consumed message lies: its partition and its offset."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return TopicPartition(topic, partition), offset


def sorted_out(messages: list[Message]) -> tuple[list[Message], dict[TopicPartition, int]]:
    """The events among what a poll brought, and the ends of partitions that it reached.

    Raises OutOfRangeError, and KafkaException for what the consumer cannot recover from by itself.
    """
    events = [message for message in messages if message.error() is None]
    ends: dict[TopicPartition, int] = {}
    if len(events) == len(messages):
        return events, ends
    for message in messages:
        error = message.error()
        if error is None:
            continue
        if error.code() == KafkaError._PARTITION_EOF:
            place, offset = position_of(message)
            ends[place] = offset
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise OutOfRangeError(*position_of(message))
        elif error.fatal():
            raise KafkaException(error)
        else:
            logger.warning("Kafka: %s", error.str())
    return events, ends


def gone_on_to(
    before: Mapping[TopicPartition, int], read: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Where each partition goes on after a poll, of those that moved: `before` it, after the records `read`, and at the
    `ends` that were told. An end may be told in front of records that came to the partition since."""
    read_to = {**before, **read}
    return {**read, **{place: end for place, end in ends.items() if end > read_to[place]}}
