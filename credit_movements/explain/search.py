"""Looks through the topics for records with an id, within bounds: no more than so many records, whatever the topics hold."""

import threading
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import Message

from credit_movements import clients
from credit_movements.explain.explanation import Searched
from credit_movements.settings import Settings
from kafka_io.offsets import first_written_since, reported_begins, reported_ends
from kafka_io.positions import TopicPartition
from kafka_io.reading import Span, ends_from, read, read_together

# A reader that stands at the end mostly, and wants to hear so at once.
AT_THE_END = {"fetch.wait.max.ms": "1"}
# Where records come faster than that, their end is as far as was read.
_ENOUGH_SECONDS = 0.5

Spans = dict[TopicPartition, Span]


class Search:
    """One reader of the topics. Nobody else uses it meanwhile."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = clients.reading_consumer(settings, "explain", **AT_THE_END)
        self._never = threading.Event()

    def close(self) -> None:
        self._consumer.close()

    def at(self, partition: TopicPartition, offset: int) -> Message | None:
        """The record at this offset; None where retention has deleted it, or there never was one. Raises StuckError,
        KafkaException."""
        begin, end = reported_begins(self._consumer, [partition]), reported_ends(self._consumer, [partition])
        if not begin[partition] <= offset < end[partition]:
            return None
        for messages in read(self._consumer, partition, offset, offset + 1, self._never):
            return messages[0]
        return None

    def all_of(self, partition: TopicPartition) -> Iterator[list[Message]]:
        """All records of a partition, as far as they are there now, in order. Raises StuckError, KafkaException."""
        spans = self._spans([partition], None)
        for _, messages in read_together(self._consumer, spans, self._never):
            yield messages

    def holding(
        self, needle: bytes, partitions: Iterable[TopicPartition], most: int, since: int | None, both_ends: bool
    ) -> tuple[list[Message], list[Searched]]:
        """The records whose values have these bytes, and how much was looked through: at most `most` records, those written
        since `since` (microseconds) if that is given. Of a partition that has more than its share the newest are taken; with
        `both_ends` the oldest too, half of each. Raises StuckError, KafkaException."""
        spans = self._spans(partitions, since)
        sizes = shares({each: max(span.until - span.begin, 0) for each, span in spans.items()}, most)
        found: list[Message] = []
        for part in _parts(spans, sizes, both_ends):
            for _, messages in read_together(self._consumer, part, self._never):
                found += [message for message in messages if needle in (message.value() or b"")]
        return found, _told(spans, sizes)

    def _spans(self, partitions: Iterable[TopicPartition], since: int | None) -> Spans:
        asked = list(partitions)
        begins = reported_begins(self._consumer, asked)
        ends = ends_from(self._consumer, reported_ends(self._consumer, asked), _ENOUGH_SECONDS)
        self._consumer.unassign()
        if since is not None:
            later = first_written_since(self._consumer, dict.fromkeys(asked, since // 1000))
            begins = {each: max(begin, later[each]) for each, begin in begins.items()}
        return {each: Span(begins[each], ends[each]) for each in asked}


def shares(sizes: Mapping[TopicPartition, int], most: int) -> dict[TopicPartition, int]:
    """How many records of each partition are looked through: all of the small ones, and of the others equally many."""
    left, taken = most, {}
    for before, (partition, size) in enumerate(sorted(sizes.items(), key=lambda each: each[1])):
        taken[partition] = min(size, left // (len(sizes) - before))
        left -= taken[partition]
    return taken


def _parts(spans: Spans, sizes: Mapping[TopicPartition, int], both_ends: bool) -> Iterator[Spans]:
    """What is read one after the other: the newest records of each partition, then the oldest."""
    oldest = {
        each: size // 2 if both_ends and size < spans[each].until - spans[each].begin else 0
        for each, size in sizes.items()
    }
    yield {
        each: Span(span.until - sizes[each] + oldest[each], span.until)
        for each, span in spans.items()
        if sizes[each] > oldest[each]
    }
    yield {each: Span(spans[each].begin, spans[each].begin + count) for each, count in oldest.items() if count}


def _told(spans: Spans, sizes: Mapping[TopicPartition, int]) -> list[Searched]:
    """By topic."""
    topics = dict.fromkeys(each.topic for each in spans)
    return [
        Searched(
            topic,
            sum(each.topic == topic for each in spans),
            sum(size for each, size in sizes.items() if each.topic == topic),
            sum(span.until - span.begin for each, span in spans.items() if each.topic == topic),
        )
        for topic in topics
    ]
