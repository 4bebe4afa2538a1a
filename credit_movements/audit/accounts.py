"""Every event of one source partition, accounted for exactly once: by a movement, by a dead letter, or as a duplicate of
a movement that came before it and says the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from confluent_kafka import Message

from credit_movements.audit.differences import Findings, Kind, position_name
from credit_movements.audit.letters import Letters, value_hash
from credit_movements.audit.log_partition import LogPartition, MovementAt
from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS, dead_letter_topic, topic_named
from streams.batch import EventBatch, decode_batch, records_of
from streams.dedup.fingerprints import Hashes, content_hashes, id_hashes
from streams.events.sorted_keys import Ints
from streams.events.table import SOURCES

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SourceCount:
    """How one source partition adds up, of the offsets from `first_offset` (what retention has left) to `committed`."""

    topic: str
    partition: int
    first_offset: int
    committed: int
    consumed: int
    movements: int
    duplicates: int
    dead_letters: int

    @property
    def difference(self) -> int:
        return self.consumed - self.movements - self.duplicates - self.dead_letters


class SourceAudit:
    """Goes through the events between two offsets of `source`, in order."""

    def __init__(
        self, source: TopicPartition, log: LogPartition, letters: Letters, codec: RecordCodec, findings: Findings
    ) -> None:
        self._source = source
        self._codec = codec
        self._findings = findings
        mine = log.of_source(source.topic)
        self._moved: Ints = mine["source_offset"].to_numpy()
        self._moved_ids: Hashes = mine["id"].to_numpy()
        self._moved_content: Hashes = mine["content"].to_numpy()
        self._log_offsets: Ints = mine["log_offset"].to_numpy()
        by_id = log.table.sort("id", "source_offset")
        self._ids: Hashes = by_id["id"].to_numpy()
        self._id_content: Hashes = by_id["content"].to_numpy()
        self._id_offsets: Ints = by_id["source_offset"].to_numpy()
        self._id_topics = by_id["topic"].to_numpy()
        self._letters = letters
        self._met_movements = np.zeros(len(self._moved), dtype=bool)
        self._met_letters = np.zeros(len(letters.source_offsets), dtype=bool)
        self._consumed = 0
        self._duplicates = 0

    def take(self, messages: list[Message]) -> None:
        """Take in a batch of events; no message in it may be an error. Raises RegistryUnavailableError."""
        batch = decode_batch(records_of([messages]), {self._source.topic: self._codec})
        offsets = np.fromiter((message.offset() for message in messages), np.int64, len(messages))
        movement, movements = _spans(self._moved, offsets)
        letter, letters = _spans(self._letters.source_offsets, offsets)
        moved, dead_lettered = movements > 0, letters > 0
        self._consumed += len(messages)
        self._met_movements[movement[moved]] = True
        self._met_letters[letter[dead_lettered]] = True
        self._add(Kind.DOUBLED, batch, (moved & dead_lettered) | (letters > 1), "a dead letter beside another outcome")
        ids, content = _by_message(batch, id_hashes(batch.events)), _by_message(batch, content_hashes(batch.events))
        decoded = _by_message(batch, np.ones(len(batch.events), dtype=np.uint64)) > 0
        self._compare_movements(batch, moved, movement, decoded, ids, content)
        self._compare_letters(batch, np.flatnonzero(dead_lettered), letter)
        self._compare_duplicates(batch, ~moved & ~dead_lettered, offsets, decoded, ids, content)

    def finish(self, first_offset: int, committed: int, movement_at: MovementAt) -> SourceCount:
        """The counts. Here the movements and dead letters that belong to no event are found."""
        strays = self._strays(self._moved, self._met_movements, first_offset, committed)
        self._findings.add(Kind.NO_SOURCE, len(strays), self._stray_movements(strays, movement_at))
        stray_letters = self._strays(self._letters.source_offsets, self._met_letters, first_offset, committed)
        self._findings.add(Kind.NO_SOURCE, len(stray_letters), self._stray_letters(stray_letters))
        return SourceCount(
            topic=self._source.topic,
            partition=self._source.partition,
            first_offset=first_offset,
            committed=committed,
            consumed=self._consumed,
            movements=_count_between(self._moved, first_offset, committed),
            duplicates=self._duplicates,
            dead_letters=_count_between(self._letters.source_offsets, first_offset, committed),
        )

    def _compare_movements(
        self, batch: EventBatch, moved: _Mask, movement: Ints, decoded: _Mask, ids: Hashes, content: Hashes
    ) -> None:
        if len(self._moved) == 0:
            return
        same = decoded & (ids == self._moved_ids[movement]) & (content == self._moved_content[movement])
        self._add(Kind.NOT_ITS_EVENT, batch, moved & ~same, "its movement has another id or says something else")

    def _compare_letters(self, batch: EventBatch, rows: Ints, letter: Ints) -> None:
        altered = np.zeros(len(batch.messages), dtype=bool)
        for row in rows.tolist():
            altered[row] = value_hash(_value(batch.messages[row])) != int(self._letters.values[letter[row]])
        self._add(Kind.ALTERED_DEAD_LETTER, batch, altered, "its dead letter has other bytes")

    def _compare_duplicates(
        self, batch: EventBatch, left: _Mask, offsets: Ints, decoded: _Mask, ids: Hashes, content: Hashes
    ) -> None:
        """An event without an outcome must be a duplicate: an earlier movement has its id and its content."""
        if not left.any():
            return
        if len(self._ids) == 0:
            self._add(Kind.LOST, batch, left, "no outcome")
            return
        first, count = _spans(self._ids, ids)
        known = left & decoded & (count > 0)
        earlier = (self._id_offsets[first] < offsets) & (self._id_topics[first] == _topic_index(self._source.topic))
        proven = known & earlier & (self._id_content[first] == content)
        self._duplicates += int(proven.sum())
        self._add(Kind.LOST, batch, left & ~known, "no outcome")
        self._add(Kind.FALSE_DUPLICATE, batch, known & ~proven, "no outcome of its own, and no right to be a duplicate")

    def _add(self, kind: Kind, batch: EventBatch, wrong: _Mask, detail: str) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            self._findings.add(kind, len(rows), (self._example(batch, row, detail) for row in rows.tolist()))

    def _example(self, batch: EventBatch, row: int, detail: str) -> tuple[str, str, str]:
        offset = batch.messages[row].offset() or 0
        events = batch.events.filter(pl.col("row") == row)
        event_id = events["event_id"][0] if len(events) else ""
        who = f", account {events['account_id'][0]!r}" if len(events) else ", not decodable"
        return position_name(*self._source, offset), event_id, detail + who

    def _strays(self, offsets: Ints, met: _Mask, first_offset: int, committed: int) -> Ints:
        again = np.zeros(len(offsets), dtype=bool)
        again[_repeats(offsets)] = True
        return np.flatnonzero(~met & ~again & (offsets >= first_offset) & (offsets < committed))

    def _stray_movements(self, strays: Ints, movement_at: MovementAt) -> Iterator[tuple[str, str, str]]:
        for row in strays.tolist():
            log_offset = int(self._log_offsets[row])
            named = position_name(*self._source, int(self._moved[row]))
            where = position_name(CREDIT_MOVEMENTS.name, self._source.partition, log_offset)
            yield where, movement_at(log_offset)["movement_id"], f"a movement of {named}, where no event lies"

    def _stray_letters(self, strays: Ints) -> Iterator[tuple[str, str, str]]:
        topic = dead_letter_topic(topic_named(self._source.topic)).name
        for row in strays.tolist():
            named = position_name(*self._source, int(self._letters.source_offsets[row]))
            where = position_name(topic, self._source.partition, int(self._letters.offsets[row]))
            yield where, "", f"a dead letter of {named}, where no event lies"


def _by_message(batch: EventBatch, of_events: Hashes) -> Hashes:
    """One value for each message of the batch, 0 where it could not be decoded."""
    values = np.zeros(len(batch.messages), dtype=np.uint64)
    values[batch.events["row"].to_numpy()] = of_events
    return values


def _value(message: Message) -> bytes | None:
    value = message.value()
    return value.encode() if isinstance(value, str) else value


def _count_between(offsets: Ints, first: int, end: int) -> int:
    return int(((offsets >= first) & (offsets < end)).sum())


def _topic_index(topic: str) -> int:
    return [each.name for each in SOURCES].index(topic)


def _spans(column: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """(first index, count) of each of `wanted` in the sorted `column`; the index means nothing where the count is 0."""
    first = np.searchsorted(column, wanted, side="left")
    counts = np.searchsorted(column, wanted, side="right") - first
    return np.minimum(first, max(len(column) - 1, 0)), counts


def _repeats(column: npt.NDArray[Any]) -> Ints:
    """The indexes in the sorted `column` whose value stands before them already."""
    return np.flatnonzero(column[1:] == column[:-1]) + 1
