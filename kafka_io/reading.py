"""Reads a partition from one offset to another, or to its end, on a running system.

A broker's answer to "where is the end?" is only where to begin looking. Tansu answers too low when several requests of a
producer were under way at once (212 for 214 messages, in a trial). So these functions read on until the consumer meets the
end.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from kafka_io.batches import ConsumedBatch, OffsetOutOfRangeError, consume, consume_soon
from kafka_io.errors import Outage
from kafka_io.offsets import ANSWER_SECONDS, assign, offset_range
from kafka_io.positions import TopicPartition, position_of

_MOST_RECORDS = 20_000
# A consumer that is asked for many records waits until it has as many, but no longer than this.
_WAIT_SECONDS = 0.02
# Kafka aborts a transaction that nobody ends long before.
_PATIENCE_SECONDS = 60.0


class StuckError(Outage):
    """The consumer cannot read on to an offset that the log is known to have."""


class StoppedError(Exception):
    """The stop signal came in the middle of reading."""


def read(
    consumer: Consumer, partition: TopicPartition, begin: int, until: int, stop: threading.Event
) -> Iterator[list[Message]]:
    """The records of a partition with `begin` <= offset < `until`, in order, in batches. These offsets exist already.

    `consumer` joins no group, has `enable.partition.eof`, and nobody else uses it meanwhile. With `read_committed` it waits
    for the end of a transaction that is open below `until`. Raises StuckError, StoppedError, KafkaException.
    """
    if begin >= until:
        return
    for records, reached, _ in _batches(consumer, partition, begin, until, stop):
        if records:
            yield records if reached <= until else [each for each in records if position_of(each).offset < until]
        if reached >= until:
            break


def read_to_end(
    consumer: Consumer, partition: TopicPartition, begin: int, at_least: int, stop: threading.Event
) -> Iterator[list[Message]]:
    """The records of a partition from `begin` to its end, which is not below `at_least`. Otherwise like `read`."""
    for records, _, is_end in _batches(consumer, partition, begin, at_least, stop):
        if records:
            yield records
        if is_end:
            break


def log_ends(consumer: Consumer, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition, transaction markers included.

    `consumer` joins no group, has `enable.partition.eof`, and nobody else uses it meanwhile. With `read_committed` the end
    lies before an open transaction. Raises StuckError, KafkaException.
    """
    try:
        return ends_from(consumer, {each: offset_range(consumer, each, ANSWER_SECONDS)[1] for each in partitions})
    finally:
        consumer.unassign()


def ends_from(
    consumer: Consumer,
    begins: Mapping[TopicPartition, int],
    enough_seconds: float | None = None,
    answer_seconds: float = _PATIENCE_SECONDS,
) -> dict[TopicPartition, int]:
    """The same as `log_ends`, reading from these offsets. `consumer` stays assigned.

    Where records come so quickly that the reader never meets an end, it gives after `enough_seconds` how far it came, which is
    behind all that lay there at the call. Raises StuckError, and KafkaException where it met no end within `answer_seconds`.
    """
    assign(consumer, begins)
    began_at = time.monotonic()
    reached: dict[TopicPartition, int] = {}
    ends: dict[TopicPartition, int] = {}
    while missing := begins.keys() - ends.keys():
        waited_seconds = time.monotonic() - began_at
        if enough_seconds is not None and waited_seconds >= enough_seconds and missing <= reached.keys():
            return reached | ends
        if waited_seconds >= answer_seconds:
            raise KafkaException(
                KafkaError(KafkaError._TIMED_OUT, f"the end of {_plain(min(missing))} was not reached")
            )
        batch = _consume(consumer, consume_soon)
        for position in map(position_of, batch.records):
            reached[position.topic_partition] = position.next_offset
        ends |= batch.ends
    return ends


def _batches(
    consumer: Consumer, partition: TopicPartition, begin: int, wanted: int, stop: threading.Event
) -> Iterator[tuple[list[Message], int, bool]]:
    """The records of each batch, the offset that it reached, and whether that is the partition's end, not below `wanted`."""
    assign(consumer, {partition: begin})
    reached, reached_at = begin, time.monotonic()
    while True:
        if stop.is_set():
            raise StoppedError(f"stopped while reading {partition.topic}")
        batch = _consume(consumer)
        end = batch.ends.get(partition, -1)
        before = reached
        reached = max([reached, end, *(position_of(each).next_offset for each in batch.records[-1:])])
        yield batch.records, reached, end >= max(wanted, reached)
        if reached > before:
            reached_at = time.monotonic()
        elif time.monotonic() - reached_at > _PATIENCE_SECONDS:
            raise StuckError(
                f"{_plain(partition)}: nothing to read between offset {reached} and {wanted}:"
                " a transaction is open, or the log was cut"
            )


def _consume(consumer: Consumer, take: Callable[..., ConsumedBatch] = consume) -> ConsumedBatch:
    try:
        return take(consumer, _MOST_RECORDS, _WAIT_SECONDS)
    except OffsetOutOfRangeError as error:
        raise StuckError(f"{error}: retention has deleted it meanwhile, or the log was cut") from error


def _plain(partition: TopicPartition) -> str:
    return f"{partition.topic}, partition {partition.partition}"
