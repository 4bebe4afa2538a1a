"""What one poll of the log brought."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message

from kafka_io.errors import UserError
from sinks.write.columns import Int64s


@dataclass(frozen=True)
class MovementBatch:
    """`values`, `partitions` and `offsets` are equally long; `reached` is partition → the next offset to read there."""

    values: list[bytes | None]
    partitions: Int64s
    offsets: Int64s
    reached: dict[int, int]
    complaints: list[str]


class OutOfLogError(UserError):
    """The log does not have the offset that is to be read next: one line that says where, and what would do."""


def read_batch(messages: Sequence[Message]) -> MovementBatch:
    """Tell messages from what else the client has to say.

    Raises OutOfLogError, and KafkaException where the client cannot go on.
    """
    records = [message for message in messages if message.error() is None]
    partitions = np.fromiter((record.partition() for record in records), np.int64, len(records))
    offsets = np.fromiter((record.offset() for record in records), np.int64, len(records))
    reached = {int(each): int(offsets[partitions == each].max()) + 1 for each in np.unique(partitions)}
    complaints: list[str] = []
    for message in messages if len(records) < len(messages) else ():
        error = message.error()
        if error is None:
            continue
        if error.fatal():
            raise KafkaException(error)
        partition, offset = message.partition(), message.offset()
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise OutOfLogError(
                f"{message.topic()}, partition {partition}: the log does not have offset {offset}, which is to be read next:"
                " it was made anew or cut. `credit-movements sink --missing-offsets=earliest` reads it from its beginning;"
                " rows that are stored already count once"
            )
        if error.code() == KafkaError._PARTITION_EOF and partition is not None and offset is not None:
            # After the last message stand transaction markers: the end lies where the client says.
            reached[partition] = max(offset, reached.get(partition, 0))
        else:
            complaints.append(error.str())
    return MovementBatch([record.value() for record in records], partitions, offsets, reached, complaints)
