"""One batch of the sink: records of the log, as columns."""

from dataclasses import dataclass

import numpy as np
from confluent_kafka import KafkaError, Message

from kafka_io.batches import OffsetOutOfRangeError, sort_out
from kafka_io.errors import UserError
from sinks.write.columns import Int64s


@dataclass(frozen=True)
class MovementBatch:
    """`values`, `partitions` and `offsets` are equally long. `reached`: partition → the next offset to read there.
    `complaints`: the errors that the client recovers from."""

    values: list[bytes | None]
    partitions: Int64s
    offsets: Int64s
    reached: dict[int, int]
    complaints: list[str]


class OutOfLogError(UserError):
    """The log does not have the offset that the sink has to read next. The message says where, and what to do."""


def read_batch(messages: list[Message]) -> MovementBatch:
    """The batch that these messages of a consumer make.

    Raises OutOfLogError, and KafkaException where the client cannot go on.
    """
    errors: list[KafkaError] = []
    try:
        consumed = sort_out(messages, errors.append)
    except OffsetOutOfRangeError as error:
        raise OutOfLogError(
            f"{error.topic_partition.topic}, partition {error.topic_partition.partition}: the log does not have offset"
            f" {error.offset}, which is to be read next: it was made anew or cut."
            " `credit-movements sink --missing-offsets=earliest` reads it from its beginning; rows that are stored already"
            " count once"
        ) from error
    records = consumed.records
    partitions = np.fromiter((record.partition() for record in records), np.int64, len(records))
    offsets = np.fromiter((record.offset() for record in records), np.int64, len(records))
    reached = {int(each): int(offsets[partitions == each].max()) + 1 for each in np.unique(partitions)}
    for (_, partition), end in consumed.ends.items():
        # The markers of transactions follow the last record, so the end may lie further on.
        reached[partition] = max(end, reached.get(partition, 0))
    complaints = [error.str() for error in errors]
    return MovementBatch([record.value() for record in records], partitions, offsets, reached, complaints)
