"""Reads the topics of dead letters, up to the ends that they had when the reader was made."""

import threading
from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer

from credit_movements import clients
from credit_movements.dead_letters.letter import Letter, letter_of
from credit_movements.dead_letters.selection import BadSelectionError
from credit_movements.settings import Settings
from kafka_io.offsets import offset_range
from kafka_io.positions import TopicPartition
from kafka_io.reading import log_ends, read
from schemas.topics import DEAD_LETTER_SUFFIX, DEAD_LETTER_TOPICS

_TIMEOUT_SECONDS = 10.0


class DeadLetters:
    """The dead letters of some source topics. Letters that arrive later are not among them: a record that is
    sent again and refused again is a matter of the next command."""

    def __init__(self, settings: Settings, topics: Iterable[str]) -> None:
        """Raises UnreachableError, KafkaException."""
        clients.check_kafka(settings)
        self._consumer = clients.reading_consumer(settings, "dead-letters")
        names = [f"{topic}{DEAD_LETTER_SUFFIX}" for topic in topics]
        partitions = [
            TopicPartition(name, number) for name in names for number in range(_partitions(self._consumer, name))
        ]
        found = log_ends(self._consumer, partitions)
        self._ends = {partition: found[partition] for partition in partitions}

    def close(self) -> None:
        self._consumer.close()

    def read(self) -> Iterator[list[Letter]]:
        """All of them, in batches: topic by topic, partition by partition, in order. It can be read again.

        Raises StuckError, KafkaException.
        """
        never = threading.Event()
        for partition, end in self._ends.items():
            for messages in read(self._consumer, partition, offset_range(self._consumer, partition)[0], end, never):
                yield [letter_of(message) for message in messages]

    def at(self, name: str) -> Letter:
        """The letter of that name (`topic/partition@offset`). Raises BadSelectionError where there is none."""
        partition, offset = _parsed(name)
        if offset >= self._ends.get(partition, 0) or offset < offset_range(self._consumer, partition)[0]:
            raise BadSelectionError(f"{name}: there is no such dead letter")
        for messages in read(self._consumer, partition, offset, offset + 1, threading.Event()):
            for message in messages:
                return letter_of(message)
        raise BadSelectionError(f"{name}: there is no such dead letter")


def _parsed(name: str) -> tuple[TopicPartition, int]:
    topic, slash, rest = name.rpartition("/")
    partition, at, offset = rest.partition("@")
    if not (slash and at and partition.isdecimal() and offset.isdecimal()):
        raise BadSelectionError(f"{name}: a dead letter is called {DEAD_LETTER_TOPICS[0].name}/PARTITION@OFFSET")
    return TopicPartition(topic, int(partition)), int(offset)


def _partitions(consumer: Consumer, topic: str) -> int:
    return len(consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic].partitions)
