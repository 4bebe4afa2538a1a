"""One poll of the rater: messages of both source topics, decoded to one table."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
from confluent_kafka import KafkaError, KafkaException, Message

from schemas.codec import RecordCodec, Refusal
from streams.events import POSITION_COLUMNS, events_table
from streams.record_times import END_OF_TIME_MICROS, RecordTimes, record_times

logger = logging.getLogger(__name__)


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
    are no records; `times`: of the messages. Of each partition that brought some: `next_offsets`, where it goes on, and
    `newest_at`, the time of its newest record so far."""

    messages: list[Message]
    events: pl.DataFrame
    refusals: list[Refusal]
    times: RecordTimes
    next_offsets: dict[Place, int]
    newest_at: dict[Place, int]


def decode_poll(
    messages: list[Message],
    codecs: Mapping[str, RecordCodec],
    now_micros: int = END_OF_TIME_MICROS,
    newest_before: Mapping[Place, int] | None = None,
) -> Poll:
    """Decode messages without errors, in the order of each partition.

    `now_micros` is the reader's clock, and `newest_before` the newest record of each partition before these; who asks for
    nobody's age leaves them out. Raises RegistryUnavailableError.
    """
    times = record_times(messages, now_micros)
    positions = pl.DataFrame(
        {
            "row": range(len(messages)),
            "topic": [message.topic() for message in messages],
            "partition": [message.partition() for message in messages],
            "offset": [message.offset() for message in messages],
            "recorded_at": times.recorded_at,
        },
        schema={
            name: dtype for name, dtype in (POSITION_COLUMNS | {"topic": pl.String}).items() if name != "newest_at"
        },
    )
    positions = positions.with_columns(_newest_so_far(positions, newest_before or {}))
    values = [message.value() for message in messages]
    decoded: dict[str, pl.DataFrame] = {}
    refusals: list[Refusal] = []
    for topic, codec in codecs.items():
        of_topic = positions.filter(pl.col("topic") == topic).drop("topic")
        rows = of_topic["row"].to_list()
        batch = codec.decode([values[row] for row in rows] if len(rows) < len(values) else values)
        decoded[topic] = of_topic[batch.rows["row"]].hstack(batch.rows.drop("row"))
        refusals += [refusal._replace(row=rows[refusal.row]) for refusal in batch.refusals]
    last = positions.group_by("topic", "partition").agg(pl.col("offset", "newest_at").max())
    return Poll(
        messages,
        events_table(decoded),
        refusals,
        times,
        next_offsets={Place(topic, partition): offset + 1 for topic, partition, offset, _ in last.iter_rows()},
        newest_at={Place(topic, partition): newest for topic, partition, _, newest in last.iter_rows()},
    )


def _newest_so_far(positions: pl.DataFrame, before: Mapping[Place, int]) -> pl.Series:
    """For each record the time of the newest one of its partition so far, its own included."""
    known = pl.DataFrame(
        [(*place, newest) for place, newest in before.items()],
        schema={"topic": pl.String, "partition": pl.Int64, "before": pl.Int64},
        orient="row",
    )
    among_these = pl.col("recorded_at").cum_max().over("topic", "partition")
    joined = positions.join(known, on=["topic", "partition"], how="left", maintain_order="left")
    return joined.select(newest_at=pl.max_horizontal(among_these, "before")).to_series()


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
