"""The dead letters of one partition, by the offset of the event in each."""

from dataclasses import dataclass

import numpy as np
from confluent_kafka import Message
from xxhash import xxh3_64_intdigest

from credit_movements.audit.differences import Findings, Kind
from credit_movements.dead_letters.letter import Letter, letter_of
from kafka_io.positions import TopicPartition
from streams.dedup.fingerprints import Hashes
from streams.events.sorted_keys import Ints


@dataclass(frozen=True)
class Letters:
    """Three columns, sorted by `source_offsets`: the event's offset, the letter's own offset, the hash of its bytes."""

    source_offsets: Ints
    offsets: Ints
    values: Hashes


class LetterAudit:
    """Reads the dead letters of the source partition `source`."""

    def __init__(self, source: TopicPartition, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self._kept: list[tuple[int, int, int]] = []

    def take(self, messages: list[Message]) -> None:
        for letter in map(letter_of, messages):
            if letter.source == self._source:
                self._kept.append((letter.source_offset, letter.offset, value_hash(letter.value)))
            else:
                self._findings.add(Kind.NO_SOURCE, 1, [(letter.name, "", _origin(letter))])

    def finish(self) -> Letters:
        rows = sorted(self._kept)
        source_offsets, offsets, values = zip(*rows, strict=True) if rows else ((), (), ())
        return Letters(
            np.array(source_offsets, dtype=np.int64),
            np.array(offsets, dtype=np.int64),
            np.array(values, dtype=np.uint64),
        )


def value_hash(value: bytes | None) -> int:
    """The hash of a record's bytes; 0 for none."""
    return 0 if value is None else xxh3_64_intdigest(value)


def _origin(letter: Letter) -> str:
    if letter.source is None:
        return "its headers do not say where it came from"
    return f"it names {letter.source.topic}/{letter.source.partition}"
