"""What one partition's round adds to what was proved of it before."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from credit_movements.audit.accounts import SourceAudit, SourceCount
from credit_movements.audit.checkpoint.cut import Cut
from credit_movements.audit.checkpoint.proved import Proved, ProvedSource, added, months_of, newest_of, with_segments
from credit_movements.audit.log_partition import LogPartition
from credit_movements.audit.projection import LogCount
from kafka_io.positions import TopicPartition

_MODULUS: Final = 2**64


def proved_after(
    before: Proved | None,
    made: Cut,
    log: LogPartition,
    accounts: Mapping[TopicPartition, tuple[SourceAudit, int]],
    now_seconds: float,
) -> tuple[Proved, pl.DataFrame]:
    """What is proved when a round without differences ends, and its movements below the cut (the lines of `log`).

    `accounts`: each source's events of the round, and the offset of the first that could be read.
    """
    settled = log.table.filter(pl.col("log_offset") < made.log_to)
    sources = {}
    for source, (audited, first) in accounts.items():
        proved = ProvedSource() if before is None else before.sources[source.topic]
        counts = audited.count(first, made.sources_to[source.topic])
        of_source = settled.filter(pl.col("topic") == log.topic_index(source.topic))["occurred_at"]
        sources[source.topic] = ProvedSource(
            first_offset=proved.first_offset if proved.consumed else first,
            to=made.sources_to[source.topic],
            letters_to=made.letters_to[source.topic],
            consumed=proved.consumed + counts.consumed,
            movements=proved.movements + counts.movements,
            duplicates=proved.duplicates + counts.duplicates,
            dead_letters=proved.dead_letters + counts.dead_letters,
            newest_at=newest_of(of_source.to_numpy(), proved.newest_at),
        )
    new = Proved(
        log_to=made.log_to,
        sources=sources,
        months=added([{} if before is None else before.months, months_of(settled)]),
        segments=with_segments([] if before is None else before.segments, settled, made.log_to),
        full_at=now_seconds if before is None else before.full_at,
    )
    return new, settled


def with_before(sources: list[SourceCount], log: LogCount, proved: Proved | None) -> tuple[list[SourceCount], LogCount]:
    """A round's counts, and those of earlier rounds added to them."""
    if proved is None:
        return sources, log
    return [_source_with(each, proved.sources[each.topic]) for each in sources], _log_with(log, proved)


def _source_with(count: SourceCount, proved: ProvedSource) -> SourceCount:
    return replace(
        count,
        first_offset=proved.first_offset if proved.consumed else count.first_offset,
        consumed=count.consumed + proved.consumed,
        movements=count.movements + proved.movements,
        duplicates=count.duplicates + proved.duplicates,
        dead_letters=count.dead_letters + proved.dead_letters,
        proved_before=proved.consumed,
    )


def _log_with(count: LogCount, proved: Proved) -> LogCount:
    return replace(
        count,
        movements=count.movements + proved.movements,
        rows=count.rows + proved.movements,
        log_sums=_summed(count.log_sums, proved.sums),
        row_sums=_summed(count.row_sums, proved.sums),
        log_checksum=(count.log_checksum + proved.checksum) % _MODULUS,
        row_checksum=(count.row_checksum + proved.checksum) % _MODULUS,
        proved_before=proved.movements,
    )


def _summed(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {currency: first.get(currency, 0) + second.get(currency, 0) for currency in first.keys() | second.keys()}
