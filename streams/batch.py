"""One batch of the rater: messages of the source topics, decoded to one table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from confluent_kafka import Message

from kafka_io.batches import sort_out
from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec, Refusal
from streams.events.record_times import END_OF_TIME_MICROS, RecordTimes, Stamp, record_times
from streams.events.sorted_keys import Ints
from streams.events.table import events_table


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


@dataclass
class Records:
    """Records of a consumer as columns: one entry a record, in the order of each partition. `ends`: topic partition → the
    offset at which the reader met its end."""

    messages: list[Message] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    topics: list[str | None] = field(default_factory=list)
    partitions: list[int | None] = field(default_factory=list)
    offsets: list[int | None] = field(default_factory=list)
    stamps: list[Stamp] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)

    def add(self, messages: list[Message], ends: Mapping[TopicPartition, int]) -> None:
        """Add records that came after the others. Few at a time take the least time: they are in the processor's cache."""
        self.messages += messages
        self.values += [message.value() for message in messages]
        self.topics += [message.topic() for message in messages]
        self.partitions += [message.partition() for message in messages]
        self.offsets += [message.offset() for message in messages]
        self.stamps += [message.timestamp() for message in messages]
        self.ends.update(ends)


def records_of(pieces: Iterable[list[Message]]) -> Records:
    """What a consumer gave, piece by piece. Raises OffsetOutOfRangeError, and KafkaException for a fatal error."""
    records = Records()
    for piece in pieces:
        consumed = sort_out(piece)
        records.add(consumed.records, consumed.ends)
    return records


def decode_batch(
    records: Records,
    codecs: Mapping[str, RecordCodec],
    now_micros: int = END_OF_TIME_MICROS,
    newest_before: Mapping[TopicPartition, int] | None = None,
) -> EventBatch:
    """Decode records to one table.

    `now_micros` is the reader's clock, `newest_before` the time of each partition's newest record before these. Callers that
    need no ages leave both out. Raises RegistryUnavailableError.
    """
    times = record_times(records.stamps, now_micros)
    partitions = np.array(records.partitions, dtype=np.int64)
    offsets = np.array(records.offsets, dtype=np.int64)
    rows_of = _rows_of_partitions(records.topics, partitions)
    newest_at = _newest_so_far(rows_of, times.recorded_at, newest_before or {})
    positions = {"partition": partitions, "offset": offsets, "recorded_at": times.recorded_at, "newest_at": newest_at}
    values = records.values
    decoded: dict[str, pl.DataFrame] = {}
    refusals: list[Refusal] = []
    for topic, codec in codecs.items():
        rows = _rows_of_topic(rows_of, topic)
        if len(rows) == 0:
            continue
        batch = codec.decode([values[row] for row in rows.tolist()] if len(rows) < len(values) else values)
        of_records = rows[batch.rows["row"].to_numpy()]
        decoded[topic] = batch.rows.with_columns(
            pl.Series("row", of_records, dtype=pl.UInt32),
            *(pl.Series(name, column[of_records]) for name, column in positions.items()),
        )
        refusals += [refusal._replace(row=int(rows[refusal.row])) for refusal in batch.refusals]
    return EventBatch(
        records.messages,
        events_table(decoded),
        refusals,
        times,
        next_offsets={each: int(offsets[rows[-1]]) + 1 for each, rows in rows_of.items()},
        newest_at={each: int(newest_at[rows[-1]]) for each, rows in rows_of.items()},
    )


def _rows_of_partitions(topics: list[str | None], partitions: Ints) -> dict[TopicPartition, Ints]:
    """The indices of the messages of each partition, ascending."""
    names = {name: number for number, name in enumerate(dict.fromkeys(topics))}
    groups = partitions * len(names) + np.array([names[topic] for topic in topics], dtype=np.int64)
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order])) + 1
    pieces = np.split(order, begins) if len(order) else []
    return {TopicPartition(str(topics[rows[0]]), int(partitions[rows[0]])): rows for rows in pieces}


def _rows_of_topic(rows_of: Mapping[TopicPartition, Ints], topic: str) -> Ints:
    pieces = [rows for partition, rows in rows_of.items() if partition.topic == topic]
    return np.sort(np.concatenate(pieces)) if pieces else np.empty(0, dtype=np.int64)


def _newest_so_far(
    rows_of: Mapping[TopicPartition, Ints], recorded_at: Ints, before: Mapping[TopicPartition, int]
) -> Ints:
    """For each record the time of the newest one of its partition so far, its own included."""
    newest = np.empty(len(recorded_at), dtype=np.int64)
    for partition, rows in rows_of.items():
        among_these = np.maximum.accumulate(recorded_at[rows])
        newest[rows] = np.maximum(among_these, before[partition]) if partition in before else among_these
    return newest
