"""Reading a partition from one place to another, on a running system."""

import threading
import time
from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as PartitionOffset

from kafka_io.errors import Outage
from kafka_io.polls import OutOfRangeError, TopicPartition, position_of, sorted_out

_BATCH = 20_000
# A consumer that is asked for many waits for as many: for so long.
_WAIT_SECONDS = 0.02
_TIMEOUT_SECONDS = 30.0
# A transaction that nobody ends is aborted by Kafka long before.
_PATIENCE_SECONDS = 60.0


class StuckError(Outage):
    """A log does not go on to where it is known to reach: one line."""


class StoppedError(Exception):
    """The stop signal came in the middle of it."""


def read(
    consumer: Consumer, place: TopicPartition, begin: int, until: int, stop: threading.Event
) -> Iterator[list[Message]]:
    """The records of a partition with `begin` <= offset < `until`, in order, in batches; the offsets exist already.

    `consumer` is assigned by hand, tells of partition ends and is this call's alone; with `read_committed` the end of a
    transaction that is open below `until` is waited for. Raises StuckError, StoppedError, KafkaException.
    """
    if begin >= until:
        return
    for messages, reached, _ in _batches(consumer, place, begin, until, stop):
        if messages:
            yield messages if reached <= until else [each for each in messages if position_of(each)[1] < until]
        if reached >= until:
            break


def read_to_end(
    consumer: Consumer, place: TopicPartition, begin: int, at_least: int, stop: threading.Event
) -> Iterator[list[Message]]:
    """The records of a partition from `begin` to its end, which is at or behind `at_least`; as `read` else.

    That a broker names an end does not mean that nothing lies behind it: Tansu names one that is too low.
    """
    for messages, _, is_end in _batches(consumer, place, begin, at_least, stop):
        if messages:
            yield messages
        if is_end:
            break


def _batches(
    consumer: Consumer, place: TopicPartition, begin: int, wanted: int, stop: threading.Event
) -> Iterator[tuple[list[Message], int, bool]]:
    """What each poll brings, the offset that it reached, and whether that is the partition's end, at or behind `wanted`."""
    consumer.assign([PartitionOffset(*place, begin)])
    reached, reached_at = begin, time.monotonic()
    while True:
        if stop.is_set():
            raise StoppedError(f"stopped while reading {place.topic}")
        messages, end = _poll(consumer, place)
        before = reached
        reached = max([reached, end, *(position_of(each)[1] + 1 for each in messages[-1:])])
        yield messages, reached, end >= max(wanted, reached)
        if reached > before:
            reached_at = time.monotonic()
        elif time.monotonic() - reached_at > _PATIENCE_SECONDS:
            raise StuckError(
                f"{place.topic}, partition {place.partition}: nothing to read between offset {reached} and {wanted}:"
                " a transaction is open, or the log was cut"
            )


def _poll(consumer: Consumer, place: TopicPartition) -> tuple[list[Message], int]:
    """Records, and the partition's end where it was met, else -1."""
    try:
        messages, ends = sorted_out(consumer.consume(_BATCH, _WAIT_SECONDS))
    except OutOfRangeError as error:
        raise StuckError(f"{error}: retention has deleted it meanwhile, or the log was cut") from error
    return messages, ends.get(place, -1)


def committed_offsets(consumer: Consumer, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset to read of each partition as the consumer's group has committed it, 0 where it has not.

    Waits for the end of open transactions. Raises KafkaException.
    """
    found = consumer.committed([PartitionOffset(*place) for place in places], _TIMEOUT_SECONDS)
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return {TopicPartition(each.topic, each.partition): max(each.offset, 0) for each in found}


def offset_range(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The offset of the oldest record that retention has left, and the end that the broker names: to a consumer that reads
    `read_uncommitted` with all that open transactions have written. Raises KafkaException."""
    low, high = consumer.get_watermark_offsets(PartitionOffset(*place), _TIMEOUT_SECONDS)
    return max(low, 0), max(high, 0)
