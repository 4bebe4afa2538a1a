"""Every event of one source partition, accounted for exactly once: by a movement, by a dead letter, or as a duplicate of
a movement that came before it and says the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_movements.audit.differences import Findings, Kind, position_name
from credit_movements.audit.letters import Letters, value_hash
from credit_movements.audit.log_partition import Known, LogPartition, MovementAt, nothing_known
from credit_movements.audit.records import Records
from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS, dead_letter_topic, topic_named
from streams.dedup.fingerprints import Hashes, content_hashes, id_hashes
from streams.events.sorted_keys import Ints
from streams.events.table import SOURCES, events_table

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SourceCount:
    """How one source partition adds up, of the offsets from `first_offset` (what retention had left) to `committed`. Of the
    `consumed` events `proved_before` were proved by earlier rounds."""

    topic: str
    partition: int
    first_offset: int
    committed: int
    consumed: int
    movements: int
    duplicates: int
    dead_letters: int
    proved_before: int = 0

    @property
    def difference(self) -> int:
        return self.consumed - self.movements - self.duplicates - self.dead_letters


@dataclass(frozen=True)
class _Batch:
    """`events`: EVENT_COLUMNS of those that could be decoded, `row` being the index in the other columns."""

    values: list[bytes | None]
    offsets: Ints
    events: pl.DataFrame

    def by_record(self, of_events: Hashes) -> Hashes:
        """One value for each record, 0 where it could not be decoded."""
        values = np.zeros(len(self.values), dtype=np.uint64)
        values[self.events["row"].to_numpy()] = of_events
        return values


class SourceAudit:
    """Goes through the events of `source` from an offset on, in order.

    Those below `proved_to` were accounted for in earlier rounds; `known` has the ids of their movements.
    """

    def __init__(
        self,
        source: TopicPartition,
        log: LogPartition,
        letters: Letters,
        codec: RecordCodec,
        findings: Findings,
        known: Known = nothing_known,
        proved_to: int = 0,
    ) -> None:
        self._source = source
        self._codec = codec
        self._findings = findings
        self._known = known
        self._proved_to = proved_to
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
        self._consumed: list[Ints] = [np.empty(0, dtype=np.int64)]
        self._duplicates: list[Ints] = [np.empty(0, dtype=np.int64)]

    def take(self, records: Records) -> None:
        """Take in a batch of events. Raises RegistryUnavailableError."""
        decoded = self._codec.decode(records.values)
        offsets = records.offsets
        batch = _Batch(records.values, offsets, events_table({self._source.topic: decoded.rows}))
        movement, movements = _spans(self._moved, offsets)
        letter, letters = _spans(self._letters.source_offsets, offsets)
        moved, dead_lettered = movements > 0, letters > 0
        self._consumed.append(offsets)
        self._met_movements[movement[moved]] = True
        self._met_letters[letter[dead_lettered]] = True
        self._add(Kind.DOUBLED, batch, (moved & dead_lettered) | (letters > 1), "a dead letter beside another outcome")
        ids, content = batch.by_record(id_hashes(batch.events)), batch.by_record(content_hashes(batch.events))
        is_record = batch.by_record(np.ones(len(batch.events), dtype=np.uint64)) > 0
        self._compare_movements(batch, moved, movement, is_record, ids, content)
        self._compare_letters(batch, np.flatnonzero(dead_lettered), letter)
        self._compare_duplicates(batch, ~moved & ~dead_lettered, is_record, ids, content)

    def finish(self, first_offset: int, committed: int, movement_at: MovementAt) -> SourceCount:
        """The counts of the events from `first_offset` on. Here the movements and dead letters that belong to no event, or to
        one that had its outcome before, are found."""
        self._find_late(movement_at)
        strays = self._strays(self._moved, self._met_movements, first_offset, committed)
        self._findings.add(Kind.NO_SOURCE, len(strays), self._stray_movements(strays, movement_at))
        stray_letters = self._strays(self._letters.source_offsets, self._met_letters, first_offset, committed)
        self._findings.add(Kind.NO_SOURCE, len(stray_letters), self._stray_letters(stray_letters))
        return self.count(first_offset, committed)

    def count(self, first_offset: int, end: int) -> SourceCount:
        """The counts of the events between two offsets, as far as they were taken in."""
        columns = (
            np.concatenate(self._consumed),
            self._moved,
            np.concatenate(self._duplicates),
            self._letters.source_offsets,
        )
        counts = (_count_between(offsets, first_offset, end) for offsets in columns)
        return SourceCount(*self._source, first_offset, end, *counts)

    def _compare_movements(
        self, batch: _Batch, moved: _Mask, movement: Ints, is_record: _Mask, ids: Hashes, content: Hashes
    ) -> None:
        if len(self._moved) == 0:
            return
        same = is_record & (ids == self._moved_ids[movement]) & (content == self._moved_content[movement])
        self._add(Kind.NOT_ITS_EVENT, batch, moved & ~same, "its movement has another id or says something else")

    def _compare_letters(self, batch: _Batch, rows: Ints, letter: Ints) -> None:
        altered = np.zeros(len(batch.values), dtype=bool)
        for row in rows.tolist():
            altered[row] = value_hash(batch.values[row]) != int(self._letters.values[letter[row]])
        self._add(Kind.ALTERED_DEAD_LETTER, batch, altered, "its dead letter has other bytes")

    def _compare_duplicates(self, batch: _Batch, left: _Mask, is_record: _Mask, ids: Hashes, content: Hashes) -> None:
        """An event without an outcome must be a duplicate: an earlier movement has its id and its content."""
        rows = np.flatnonzero(left)
        if len(rows) == 0:
            return
        offsets, ids, content, is_record = batch.offsets[rows], ids[rows], content[rows], is_record[rows]
        # Those that were proved before came before. Their content has their topic in it.
        known, proved_content = self._known(ids)
        proven = known & (proved_content == content)
        if len(self._ids):
            first, count = _spans(self._ids, ids)
            known |= count > 0
            earlier = (self._id_offsets[first] < offsets) & (self._id_topics[first] == _topic_index(self._source.topic))
            proven |= (count > 0) & earlier & (self._id_content[first] == content)
        known &= is_record
        proven &= is_record
        self._duplicates.append(offsets[proven])
        self._add(Kind.LOST, batch, _mask(rows[~known], len(left)), "no outcome")
        what = "no outcome of its own, and no right to be a duplicate"
        self._add(Kind.FALSE_DUPLICATE, batch, _mask(rows[known & ~proven], len(left)), what)

    def _add(self, kind: Kind, batch: _Batch, wrong: _Mask, detail: str) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            self._findings.add(kind, len(rows), (self._example(batch, row, detail) for row in rows.tolist()))

    def _example(self, batch: _Batch, row: int, detail: str) -> tuple[str, str, str]:
        offset = int(batch.offsets[row])
        events = batch.events.filter(pl.col("row") == row)
        event_id = events["event_id"][0] if len(events) else ""
        who = f", account {events['account_id'][0]!r}" if len(events) else ", not decodable"
        return position_name(*self._source, offset), event_id, detail + who

    def _find_late(self, movement_at: MovementAt) -> None:
        moved = np.flatnonzero(self._moved < self._proved_to)
        lettered = np.flatnonzero(self._letters.source_offsets < self._proved_to)
        what = "of {}, which had its outcome before"
        self._findings.add(Kind.DOUBLED, len(moved), self._stray_movements(moved, movement_at, f"a movement {what}"))
        self._findings.add(Kind.DOUBLED, len(lettered), self._stray_letters(lettered, f"a dead letter {what}"))

    def _strays(self, offsets: Ints, met: _Mask, first_offset: int, committed: int) -> Ints:
        again = np.zeros(len(offsets), dtype=bool)
        again[_repeats(offsets)] = True
        return np.flatnonzero(~met & ~again & (offsets >= first_offset) & (offsets < committed))

    def _stray_movements(
        self, strays: Ints, movement_at: MovementAt, said: str = "a movement of {}, where no event lies"
    ) -> Iterator[tuple[str, str, str]]:
        for row in strays.tolist():
            log_offset = int(self._log_offsets[row])
            named = position_name(*self._source, int(self._moved[row]))
            where = position_name(CREDIT_MOVEMENTS.name, self._source.partition, log_offset)
            yield where, movement_at(log_offset)["movement_id"], said.format(named)

    def _stray_letters(
        self, strays: Ints, said: str = "a dead letter of {}, where no event lies"
    ) -> Iterator[tuple[str, str, str]]:
        topic = dead_letter_topic(topic_named(self._source.topic)).name
        for row in strays.tolist():
            named = position_name(*self._source, int(self._letters.source_offsets[row]))
            where = position_name(topic, self._source.partition, int(self._letters.offsets[row]))
            yield where, "", said.format(named)


def _mask(rows: Ints, length: int) -> _Mask:
    mask = np.zeros(length, dtype=bool)
    mask[rows] = True
    return mask


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
