"""Reads a partition from one offset to another, or to its end, on a running system.

A broker's answer to "where is the end?" is only where to begin looking. Tansu answers too low when several requests of a
producer were under way at once (212 for 214 messages, in a trial). So these functions read on until the consumer meets the
end.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import methodcaller
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from kafka_io.batches import ConsumedBatch, OffsetOutOfRangeError, consume, consume_soon, sort_out
from kafka_io.errors import Outage
from kafka_io.offsets import ANSWER_SECONDS, assign, offset_range
from kafka_io.positions import TopicPartition, position_of

_MOST_RECORDS = 20_000
# Few enough to be in the processor's cache while their values are taken.
_PIECE_RECORDS = 500
_TOPIC, _PARTITION = methodcaller("topic"), methodcaller("partition")
# A consumer that is asked for many records waits until it has as many, but no longer than this.
_WAIT_SECONDS = 0.02
# Kafka aborts a transaction that nobody ends long before.
_PATIENCE_SECONDS = 60.0


class StuckError(Outage):
    """The consumer cannot read on to an offset that the log is known to have."""


class StoppedError(Exception):
    """The stop signal came in the middle of reading."""


class Span(NamedTuple):
    """Offsets of a partition: `begin` <= offset < `until`."""

    begin: int
    until: int


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


def read_together(
    consumer: Consumer, spans: Mapping[TopicPartition, Span], stop: threading.Event
) -> Iterator[tuple[TopicPartition, list[Message]]]:
    """The records of many partitions at once, each partition's in order, in small pieces. Otherwise like `read`."""
    yield from _together(consumer, {each: span for each, span in spans.items() if span.begin < span.until}, False, stop)


def read_together_to_end(
    consumer: Consumer, spans: Mapping[TopicPartition, Span], stop: threading.Event
) -> Iterator[tuple[TopicPartition, list[Message]]]:
    """The same from `begin` to the end of each partition, which is not below `until`."""
    yield from _together(consumer, spans, True, stop)


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


def _together(
    consumer: Consumer, spans: Mapping[TopicPartition, Span], to_end: bool, stop: threading.Event
) -> Iterator[tuple[TopicPartition, list[Message]]]:
    """Records of partitions that are done come for as long as others are not, and are passed over."""
    if spans:
        assign(consumer, {each: span.begin for each, span in spans.items()})
    reached = {each: span.begin for each, span in spans.items()}
    left, moved_at = set(spans), time.monotonic()
    while left:
        if stop.is_set():
            raise StoppedError(f"stopped while reading {min(left).topic}")
        before = sum(reached.values())
        batch = _consume(consumer, _piece)
        ends = {each: end for each, end in batch.ends.items() if each in left}
        for partition, records in _parted(batch.records):
            if partition not in left:
                continue
            until = spans[partition].until
            reached[partition] = position_of(records[-1]).next_offset
            if not to_end and reached[partition] >= until:
                left.discard(partition)
                records = [each for each in records if position_of(each).offset < until]
            if records:
                yield partition, records
        for partition, end in ends.items():
            reached[partition] = max(reached[partition], end)
            if end >= max(reached[partition], spans[partition].until):
                left.discard(partition)
        if not left or sum(reached.values()) > before:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > _PATIENCE_SECONDS:
            raise _stuck(min(left), reached[min(left)], spans[min(left)].until)


def _piece(consumer: Consumer, _most_records: int, wait_seconds: float) -> ConsumedBatch:
    return sort_out(consumer.consume(_PIECE_RECORDS, 0) or consumer.consume(1, wait_seconds))


def _parted(records: list[Message]) -> Iterator[tuple[TopicPartition, list[Message]]]:
    """By partition. A consumer gives long runs of one."""
    topics, partitions = list(map(_TOPIC, records)), list(map(_PARTITION, records))
    if not records or len(records) == topics.count(topics[0]) == partitions.count(partitions[0]):
        yield from [(TopicPartition(topics[0], partitions[0]), records)] if records else ()
        return
    for partition, run in groupby(records, lambda record: (record.topic(), record.partition())):
        yield TopicPartition(*partition), list(run)


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
            raise _stuck(partition, reached, wanted)


def _consume(consumer: Consumer, take: Callable[..., ConsumedBatch] = consume) -> ConsumedBatch:
    try:
        return take(consumer, _MOST_RECORDS, _WAIT_SECONDS)
    except OffsetOutOfRangeError as error:
        raise StuckError(f"{error}: retention has deleted it meanwhile, or the log was cut") from error


def _stuck(partition: TopicPartition, reached: int, wanted: int) -> StuckError:
    return StuckError(
        f"{_plain(partition)}: nothing to read between offset {reached} and {wanted}:"
        " a transaction is open, or the log was cut"
    )


def _plain(partition: TopicPartition) -> str:
    return f"{partition.topic}, partition {partition.partition}"
