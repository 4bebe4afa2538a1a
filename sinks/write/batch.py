"""One batch of the sink: records of the log, as columns."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from confluent_kafka import KafkaError, Message

from kafka_io.access.refusals import is_unauthorized, told
from kafka_io.batches import ConsumedBatch, OffsetOutOfRangeError, log_error, sort_out
from kafka_io.errors import UserError
from kafka_io.positions import TopicPartition
from sinks.write.columns import Int64s


@dataclass(frozen=True)
class MovementBatch:
    """`values`, `partitions` and `offsets` are equally long. `reached`: partition → the next offset to read there.
    `complaints`: the errors that the client recovers from, but for missing permissions, which are only logged."""

    values: list[bytes | None]
    partitions: Int64s
    offsets: Int64s
    reached: dict[int, int]
    complaints: list[str]


class OutOfLogError(UserError):
    """The log does not have the offset that the sink has to read next. The message says where, and what to do."""


def read_batch(pieces: Iterable[list[Message]]) -> MovementBatch:
    """The batch that these messages of a consumer make. Nothing keeps a piece when the next one is taken.

    Raises OutOfLogError, and KafkaException where the client cannot go on.
    """
    errors: list[KafkaError] = []
    values: list[bytes | None] = []
    partition_list: list[int | None] = []
    offset_list: list[int | None] = []
    ends: dict[TopicPartition, int] = {}
    for piece in pieces:
        consumed = _sorted_out(piece, errors)
        values += [record.value() for record in consumed.records]
        partition_list += [record.partition() for record in consumed.records]
        offset_list += [record.offset() for record in consumed.records]
        ends |= consumed.ends
    partitions, offsets = np.array(partition_list, dtype=np.int64), np.array(offset_list, dtype=np.int64)
    reached = {int(each): int(offsets[partitions == each].max()) + 1 for each in np.unique(partitions)}
    for (_, partition), end in ends.items():
        # The markers of transactions follow the last record, so the end may lie further on.
        reached[partition] = max(end, reached.get(partition, 0))
    # A client tells once that it may not read, and never that it may again: whoever asks Kafka itself learns both.
    for error in filter(is_unauthorized, errors):
        log_error(error)
    complaints = [told(error) for error in errors if not is_unauthorized(error)]
    return MovementBatch(values, partitions, offsets, reached, complaints)


def _sorted_out(messages: list[Message], errors: list[KafkaError]) -> ConsumedBatch:
    try:
        return sort_out(messages, errors.append)
    except OffsetOutOfRangeError as error:
        raise OutOfLogError(
            f"{error.topic_partition.topic}, partition {error.topic_partition.partition}: the log does not have offset"
            f" {error.offset}, which is to be read next: it was made anew or cut."
            " `credit-movements sink --missing-offsets=earliest` reads it from its beginning; rows that are stored already"
            " count once"
        ) from error
