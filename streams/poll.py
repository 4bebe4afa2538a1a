"""One poll of the rater: messages of both source topics, decoded to one table."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
from confluent_kafka import KafkaError, KafkaException, Message

from schemas.codec import RecordCodec, Refusal
from streams.events import POSITION_COLUMNS, events_table

logger = logging.getLogger(__name__)

_MICROS_PER_MILLI = 1000


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class OutOfRangeError(Exception):
    """A partition does not hold the offset that is to be read next."""

    def __init__(self, place: Place, offset: int) -> None:
        super().__init__(
            f"{place.topic}, partition {place.partition}: offset {offset} is to be read next, and is not there"
        )
        self.place = place
        self.offset = offset


def position_of(message: Message) -> tuple[Place, int]:
    """Where a consumed message lies: its partition and its offset."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Place(topic, partition), offset


@dataclass(frozen=True)
class Poll:
    """`messages` as Kafka gave them; `events`: EVENT_COLUMNS, `row` being the place in `messages`; `refusals`: those that
    are no records; `next_offsets`: where each partition goes on."""

    messages: list[Message]
    events: pl.DataFrame
    refusals: list[Refusal]
    next_offsets: dict[Place, int]


def decode_poll(messages: list[Message], codecs: Mapping[str, RecordCodec]) -> Poll:
    """Decode messages without errors. Raises RegistryUnavailableError."""
    topics = [message.topic() for message in messages]
    positions = pl.DataFrame(
        {
            "row": range(len(messages)),
            "partition": [message.partition() for message in messages],
            "offset": [message.offset() for message in messages],
            "recorded_at": [message.timestamp()[1] for message in messages],
        },
        schema=POSITION_COLUMNS,
    ).with_columns(pl.col("recorded_at") * _MICROS_PER_MILLI, topic=pl.Series(topics, dtype=pl.String))
    values = [message.value() for message in messages]
    decoded: dict[str, pl.DataFrame] = {}
    refusals: list[Refusal] = []
    for topic, codec in codecs.items():
        of_topic = positions.filter(pl.col("topic") == topic).drop("topic")
        rows = of_topic["row"].to_list()
        batch = codec.decode([values[row] for row in rows] if len(rows) < len(values) else values)
        decoded[topic] = of_topic[batch.rows["row"]].hstack(batch.rows.drop("row"))
        refusals += [refusal._replace(row=rows[refusal.row]) for refusal in batch.refusals]
    return Poll(messages, events_table(decoded), refusals, _next_offsets(positions))


def _next_offsets(positions: pl.DataFrame) -> dict[Place, int]:
    last = positions.group_by("topic", "partition").agg(pl.col("offset").max())
    return {Place(topic, partition): offset + 1 for topic, partition, offset in last.iter_rows()}


def sorted_out(messages: list[Message]) -> tuple[list[Message], dict[Place, int]]:
    """The events among what a poll brought, and the ends of partitions that it reached.

    Raises OutOfRangeError, and KafkaException for what the consumer cannot recover from by itself.
    """
    events = [message for message in messages if message.error() is None]
    ends: dict[Place, int] = {}
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


def gone_on_to(before: Mapping[Place, int], read: Mapping[Place, int], ends: Mapping[Place, int]) -> dict[Place, int]:
    """Where each partition goes on after a poll, of those that moved: `before` it, after the records `read`, and at the
    `ends` that were told. An end may be told in front of records that came to the partition since."""
    read_to = {**before, **read}
    return {**read, **{place: end for place, end in ends.items() if end > read_to[place]}}
