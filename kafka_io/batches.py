"""What a consumer gives at once, sorted: records, ends of partitions, and errors.

Here alone it is decided what an error of a consumer means:

- The end of a partition is no error.
- An offset out of range raises OffsetOutOfRangeError: the log was cut or made anew, and a person has to decide how to go on.
- A fatal error raises KafkaException: this consumer will never work again.
- Any other error passes by itself: the consumer tries again, and we only log it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from kafka_io.access.refusals import told
from kafka_io.errors import UserError
from kafka_io.positions import RecordPosition, TopicPartition, position_of

# As the client itself: of like lines one a minute is shown. A client that is refused says so every two seconds.
kafka_log = logging.getLogger("kafka")

OnError = Callable[[KafkaError], None]

# A piece whose values are taken at once stays in the processor's cache: pieces of 50,000 took 1.3 us a message, these 0.4.
_PIECE: Final = 500
# How often a reader looks whether it may hand on what it has.
_BUSY_WAIT_SECONDS: Final = 0.01


class OffsetOutOfRangeError(UserError):
    """A topic partition does not hold the offset that the consumer has to read next: a person has to decide how to go on."""

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
class ConsumedBatch:
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
    """Log an error that the consumer recovers from."""
    kafka_log.warning("%s", told(error))


def consume(consumer: Consumer, most_records: int, wait_seconds: float, on_error: OnError = log_error) -> ConsumedBatch:
    """The next batch: waits `wait_seconds` unless `most_records` come earlier. Otherwise like `sort_out`."""
    return sort_out(consumer.consume(most_records, wait_seconds), on_error)


def consume_soon(
    consumer: Consumer, most_records: int, wait_seconds: float, on_error: OnError = log_error
) -> ConsumedBatch:
    """What is there, or what comes first within `wait_seconds`. Otherwise like `sort_out`."""
    return sort_out(list(chain.from_iterable(available_pieces(consumer, most_records, wait_seconds))), on_error)


def sort_out(messages: list[Message], on_error: OnError = log_error) -> ConsumedBatch:
    """Part what a consumer gave into records, ends and errors. `on_error` gets the errors that the consumer recovers from.

    Raises OffsetOutOfRangeError, and KafkaException for a fatal error.
    """
    records = [message for message in messages if message.error() is None]
    # Most batches hold records alone.
    ends = {} if len(records) == len(messages) else _ends(messages, on_error)
    return ConsumedBatch(records, ends)


def _ends(messages: Iterable[Message], on_error: OnError) -> dict[TopicPartition, int]:
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
                on_error(error)
    return ends


def offsets_after(
    before: Mapping[TopicPartition, int], read: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Where a reader goes on in each partition in which a batch brought it further.

    The reader stood at `before`, read records up to `read`, and met `ends`. An end lies behind the markers of transactions,
    which are no records. It counts only where it lies ahead: records may have come to the partition since.
    """
    read_to = {**before, **read}
    return {**read, **{partition: end for partition, end in ends.items() if end > read_to[partition]}}


def available_pieces(
    consumer: Consumer, most_messages: int, wait_seconds: float, is_busy: Callable[[], bool] = lambda: False
) -> Iterator[list[Message]]:
    """What the consumer has, in small pieces, without waiting for more: few messages where it is level with the log, and
    `most_messages` where it is behind. (`Consumer.consume` alone waits its whole time unless it can give the most.)

    While `is_busy` says so, nobody could take the messages yet, so they gather. Where nothing is there, the first message is
    waited for `wait_seconds`.
    """
    room, may_wait = most_messages, True
    while room:
        if is_busy():
            piece, may_wait = consumer.consume(min(room, _PIECE), _BUSY_WAIT_SECONDS), False
        elif may_wait:
            piece, may_wait = consumer.consume(1, wait_seconds), False
        elif not (piece := consumer.consume(min(room, _PIECE), 0)):
            return
        room -= len(piece)
        yield piece
