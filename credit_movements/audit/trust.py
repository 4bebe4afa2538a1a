"""Is what earlier rounds proved still so? A checkpoint that is doubted is thrown away, and its partition proved anew.

1. The offsets: nothing that was proved may lie behind an end, or behind what rater and sink have committed.
2. The numbers: ClickHouse counts and adds up what was proved, of the newest months and of one older month by chance.
3. The sample: some segments of the log by chance are read again, from the log and from ClickHouse.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

import polars as pl

from credit_movements.audit.checkpoint.folder import Checkpoint
from credit_movements.audit.checkpoint.proved import Segment, month_of
from credit_movements.audit.clickhouse.erasure import Erasure
from credit_movements.audit.clickhouse.row_hashes import checksum, row_hashes
from credit_movements.audit.clickhouse.rows import ALL_MONTHS, RowCounts
from credit_movements.audit.readers import Readers, letters_of, log_partition, source_partitions
from credit_movements.audit.records import Records
from kafka_io.reading import Span
from schemas.topics import CREDIT_MOVEMENTS
from streams.dedup.fingerprints import id_hashes
from streams.events.table import events_of_movements

_SAMPLED: Final = 2


@dataclass(frozen=True)
class Sampled:
    """A segment of the log that was proved before, and now once more."""

    partition: int
    begin: int
    end: int
    movements: int


def check_offsets(readers: Readers, checkpoint: Checkpoint) -> None:
    """Discard what lies behind an end. Raises KafkaException."""
    numbers = list(checkpoint.proved)
    if not numbers:
        return
    logs = {log_partition(number): checkpoint.proved[number].log_to for number in numbers}
    reached = {
        letters_of(each): checkpoint.proved[number].sources[each.topic].letters_to
        for number in numbers
        for each in source_partitions(number)
    } | logs
    ends, begins = readers.ends_not_below(reached), readers.begins(logs)
    sinks, raters = readers.sink_committed(numbers), readers.raters_committed(numbers)
    cut_off = {each.partition for each, offset in reached.items() if offset > ends[each]}
    for number in numbers:
        proved, log = checkpoint.proved[number], log_partition(number)
        if number in cut_off:
            checkpoint.discard(number, "a topic ends before what was proved")
        elif proved.log_to < begins[log]:
            checkpoint.discard(number, "the log begins behind what was proved")
        elif proved.log_to > sinks[number]:
            checkpoint.discard(number, "the sink has gone back")
        elif any(proved.sources[each.topic].to > raters[each] for each in source_partitions(number)):
            checkpoint.discard(number, "the raters have gone back")


def months_in_question(checkpoint: Checkpoint, random: Random) -> tuple[int, list[int]]:
    """From which month (YYYYMM) on new rows can have occurred, and an older month by chance."""
    if len(checkpoint.proved) < checkpoint.owner.partitions:
        return ALL_MONTHS, []
    keep = checkpoint.owner.keep_micros
    from_month = min(month_of(proved.newest_at() - keep) for proved in checkpoint.proved.values())
    older = sorted({month for proved in checkpoint.proved.values() for month in proved.months if month < from_month})
    return from_month, [random.choice(older)] if older else []


def counted(readers: Readers, checkpoint: Checkpoint, random: Random) -> tuple[RowCounts, int]:
    """The rows of ClickHouse, and the month from which on they were counted. Partitions of which they are not what was proved
    are discarded. Raises MovementsUnavailableError."""
    from_month, months = months_in_question(checkpoint, random)
    begins = {number: proved.log_to for number, proved in checkpoint.proved.items()}
    counts = readers.counts(begins, from_month, months)
    for number, proved in list(checkpoint.proved.items()):
        asked = {month: sums for month, sums in proved.months.items() if month >= from_month or month in months}
        if counts.below.get(number, {}) != asked:
            checkpoint.discard(number, "ClickHouse has other rows, or sums, of it than were proved")
    if checkpoint.proved.keys() == begins.keys() and not counts.has_strays:
        return counts, from_month
    begins = {number: proved.log_to for number, proved in checkpoint.proved.items()}
    return readers.counts(begins, ALL_MONTHS, []), ALL_MONTHS


def sample(readers: Readers, checkpoint: Checkpoint, erasure: Erasure, random: Random) -> list[Sampled]:
    """Prove some segments again, not two of one partition. Raises what `Auditor.audit` does."""
    segments = [(number, each) for number, proved in checkpoint.proved.items() for each in proved.segments]
    chosen = dict(random.sample(segments, min(_SAMPLED, len(segments))))
    read: dict[int, Records] = {number: Records() for number in chosen}
    spans = {log_partition(number): Span(each.begin, each.end) for number, each in chosen.items()}
    for partition, messages in readers.records(spans):
        read[partition.partition].add(messages)
    for number, segment in chosen.items():
        if not _is_as_proved(readers, erasure, number, segment, read[number]):
            checkpoint.discard(number, f"offsets {segment.begin} to {segment.end} of the log are not what was proved")
    return [
        Sampled(number, each.begin, each.end, each.movements)
        for number, each in sorted(chosen.items())
        if number in checkpoint.proved
    ]


def _is_as_proved(readers: Readers, erasure: Erasure, number: int, segment: Segment, records: Records) -> bool:
    decoded = readers.codecs[CREDIT_MOVEMENTS.name].decode(records.values)
    movements = decoded.rows
    ids = id_hashes(events_of_movements(movements))
    hashes = row_hashes(movements, ids)
    if decoded.refusals or (len(hashes), checksum(hashes)) != (segment.movements, segment.checksum):
        return False
    if len(movements) == 0:
        return True
    by_now = erasure.row_hashes(movements, ids, hashes)
    log = pl.DataFrame({"log_offset": records.offsets[movements["row"].to_numpy()], "row": by_now})
    first = int(movements["occurred_at"].to_numpy().min())
    span = {number: Span(segment.begin, segment.end)}
    rows = readers.rows(span, {}, erasure.kept_from, month_of(first))[number]
    return rows.table.equals(log)
