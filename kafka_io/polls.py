"""What one poll of a consumer brought: records, ends of partitions, and errors.

This is the one place that decides what an error of a consumer means:

- the end of a partition is no error;
- an offset out of range raises OffsetOutOfRangeError: the log was cut or made anew, and somebody has to decide how to go on;
- a fatal error raises KafkaException: this consumer will never work again;
- any other error passes by itself: the consumer tries again, and we only say it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from confluent_kafka import KafkaError, KafkaException, Message

from kafka_io.errors import UserError
from kafka_io.positions import RecordPosition, TopicPartition, position_of

logger = logging.getLogger(__name__)


class OffsetOutOfRangeError(UserError):
    """A partition does not hold the offset that is to be read next: somebody has to decide how to go on."""

    def __init__(self, position: RecordPosition) -> None:
        self.topic_partition, self.offset = position
        super().__init__(
            f"{self.topic_partition.topic}, partition {self.topic_partition.partition}: offset {self.offset} is to be read"
            " next, and is not there"
        )


class Meaning(Enum):
    """What an error of a consumer means to its reader."""

    END_OF_PARTITION = auto()
    OFFSET_OUT_OF_RANGE = auto()
    FATAL = auto()
    RETRIABLE = auto()


@dataclass(frozen=True)
class Poll:
    """`records` in the order of each partition; `ends` is topic partition → the offset at which the reader met its end."""

    records: list[Message]
    ends: dict[TopicPartition, int]


def meaning_of(error: KafkaError) -> Meaning:
    """The decision that the top of this module lists."""
    if error.code() == KafkaError._PARTITION_EOF:
        return Meaning.END_OF_PARTITION
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        return Meaning.OFFSET_OUT_OF_RANGE
    return Meaning.FATAL if error.fatal() else Meaning.RETRIABLE


def log_error(error: KafkaError) -> None:
    """Say an error that the consumer recovers from."""
    logger.warning("Kafka: %s", error.str())


def sort_out(messages: list[Message], tell: Callable[[KafkaError], None] = log_error) -> Poll:
    """Tell the records of a poll from ends and errors. `tell` hears of errors that the consumer recovers from.

    Raises OffsetOutOfRangeError, and KafkaException for a fatal error.
    """
    records = [message for message in messages if message.error() is None]
    # Most polls hold records alone.
    ends = {} if len(records) == len(messages) else _ends(messages, tell)
    return Poll(records, ends)


def _ends(messages: Iterable[Message], tell: Callable[[KafkaError], None]) -> dict[TopicPartition, int]:
    ends: dict[TopicPartition, int] = {}
    for message in messages:
        error = message.error()
        if error is None:
            continue
        match meaning_of(error):
            case Meaning.END_OF_PARTITION:
                topic_partition, offset = position_of(message)
                ends[topic_partition] = offset
            case Meaning.OFFSET_OUT_OF_RANGE:
                raise OffsetOutOfRangeError(position_of(message))
            case Meaning.FATAL:
                raise KafkaException(error)
            case Meaning.RETRIABLE:
                tell(error)
    return ends


def offsets_after(
    before: Mapping[TopicPartition, int], read: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Where a reader goes on in each partition that moved in a poll.

    It stood at `before`, read records up to `read`, and met `ends`. An end lies behind the markers of transactions, which
    are no records. It counts only where it lies ahead: records may have come to the partition since.
    """
    read_to = {**before, **read}
    return {**read, **{partition: end for partition, end in ends.items() if end > read_to[partition]}}
