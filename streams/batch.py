"""One batch of the rater: messages of both source topics, decoded to one table."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from confluent_kafka import Message

from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec, Refusal
from streams.events.record_times import END_OF_TIME_MICROS, RecordTimes, record_times
from streams.events.table import POSITION_COLUMNS, events_table


@dataclass(frozen=True)
class EventBatch:
    """`messages` as Kafka gave them. `events`: EVENT_COLUMNS, `row` being the index in `messages`. `refusals`: the messages
    that are no records. `times`: of all messages. For each partition of these messages `next_offsets` says where it goes on,
    and `newest_at` the time of its newest record so far."""

    messages: list[Message]
    events: pl.DataFrame
    refusals: list[Refusal]
    times: RecordTimes
    next_offsets: dict[TopicPartition, int]
    newest_at: dict[TopicPartition, int]


def decode_batch(
    messages: list[Message],
    codecs: Mapping[str, RecordCodec],
    now_micros: int = END_OF_TIME_MICROS,
    newest_before: Mapping[TopicPartition, int] | None = None,
) -> EventBatch:
    """Decode messages without errors, in the order of each partition.

    `now_micros` is the reader's clock, `newest_before` the time of each partition's newest record before these. Callers that
    need no ages leave both out. Raises RegistryUnavailableError.
    """
    times = record_times(messages, now_micros)
    positions = _positions(messages, times)
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
    return EventBatch(
        messages,
        events_table(decoded),
        refusals,
        times,
        next_offsets={TopicPartition(topic, partition): offset + 1 for topic, partition, offset, _ in last.iter_rows()},
        newest_at={TopicPartition(topic, partition): newest for topic, partition, _, newest in last.iter_rows()},
    )


def _positions(messages: list[Message], times: RecordTimes) -> pl.DataFrame:
    """POSITION_COLUMNS without `newest_at`, and `topic`."""
    return pl.DataFrame(
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


def _newest_so_far(positions: pl.DataFrame, before: Mapping[TopicPartition, int]) -> pl.Series:
    """For each record the time of the newest one of its partition so far, its own included."""
    known = pl.DataFrame(
        [(*partition, newest) for partition, newest in before.items()],
        schema={"topic": pl.String, "partition": pl.Int64, "before": pl.Int64},
        orient="row",
    )
    among_these = pl.col("recorded_at").cum_max().over("topic", "partition")
    joined = positions.join(known, on=["topic", "partition"], how="left", maintain_order="left")
    return joined.select(newest_at=pl.max_horizontal(among_these, "before")).to_series()
