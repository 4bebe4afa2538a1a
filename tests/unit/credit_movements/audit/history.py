"""One partition of a whole system in memory, as it grows: its topics, the rows of its ClickHouse, and an audit of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, cast

import polars as pl
from confluent_kafka import Message

from credit_movements.audit.auditor import Audit, audit_once
from credit_movements.audit.checkpoint.folder import Checkpoint, Owner
from credit_movements.audit.checkpoint.proved import month_of, months_of
from credit_movements.audit.clickhouse.erasure import EVER, Erasure
from credit_movements.audit.clickhouse.row_hashes import row_hashes
from credit_movements.audit.clickhouse.rows import ALL_MONTHS, NO_MONTH, RowCounts, Rows
from credit_movements.audit.clickhouse.sums import SumsFound
from credit_movements.audit.log_partition import MovementAt, sums_by_currency
from credit_movements.audit.readers import Readers
from credit_movements.audit.round import Rates
from kafka_io.positions import TopicPartition
from kafka_io.reading import Span
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason, dead_letter_headers
from schemas.topics import ADJUSTMENT_EVENTS, CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS, dead_letter_topic
from sinks.read.erased import PERSONAL
from streams.dedup.fingerprints import id_hashes
from streams.events.table import events_of_movements
from tests.limits import LIMITS
from tests.unit.credit_movements.audit.spoiled import CODECS, record
from tests.unit.schemas.test_codec import RegisteredSchemas

ALL_CODECS = CODECS | {
    topic.name: RecordCodec(topic, RegisteredSchemas())  # type: ignore[arg-type]
    for topic in (TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
}
USAGE, LOG = TopicPartition(USAGE_EVENTS.name, 0), TopicPartition(CREDIT_MOVEMENTS.name, 0)
TOP_UPS, ADJUSTMENTS = TopicPartition(TOP_UP_EVENTS.name, 0), TopicPartition(ADJUSTMENT_EVENTS.name, 0)
LETTERS = TopicPartition(dead_letter_topic(USAGE_EVENTS).name, 0)


class History:
    """`topics`: partition → its records, at the offsets that they have. `rows`: log offset → the movements that ClickHouse has
    of it. `committed` and `stored`: how far rater and sink have come."""

    def __init__(self, rates: list[dict[str, Any]]) -> None:
        values = CODECS[RATES.name].encode(pl.DataFrame(rates, schema=CODECS[RATES.name].dtypes))
        self.topics: dict[TopicPartition, list[Message]] = {
            TopicPartition(RATES.name, 0): [record(RATES.name, number, value) for number, value in enumerate(values)]
        }
        self.rows: dict[int, list[dict[str, Any]]] = {}
        self.committed = 0
        self.stored = 0
        self.first_offset = 0
        self.log_id = "log"
        self.erasure = Erasure()

    def end(self, partition: TopicPartition) -> int:
        records = self.topics.get(partition, [])
        return int(records[-1].offset() or 0) + 1 if records else 0

    def append(self, partition: TopicPartition, value: bytes | None, headers: Any = None, gap: int = 0) -> int:
        """Write a record, `gap` offsets behind the last one; gives its offset."""
        offset = self.end(partition) + gap
        self.topics.setdefault(partition, []).append(record(partition.topic, offset, value, headers))
        return offset

    def publish(self, value: bytes | None) -> None:
        self.append(USAGE, value)

    def move(self, movement: dict[str, Any], gap: int = 0) -> None:
        self.append(LOG, CODECS[LOG.topic].encode_one(movement), gap=gap)

    def pay(self, top_up: dict[str, Any], movement: dict[str, Any]) -> None:
        """A top-up and its movement, rated at once."""
        offset = self.append(TOP_UPS, ALL_CODECS[TOP_UPS.topic].encode_one(top_up))
        self.move({**movement, "source_topic": TOP_UPS.topic, "source_offset": offset})

    def adjust(self, adjustment: dict[str, Any], movement: dict[str, Any] | None) -> None:
        """An adjustment and its movement, rated at once; None: it has none."""
        offset = self.append(ADJUSTMENTS, ALL_CODECS[ADJUSTMENTS.topic].encode_one(adjustment))
        if movement is not None:
            self.move({**movement, "source_topic": ADJUSTMENTS.topic, "source_offset": offset})

    def refuse(self, offset: int, value: bytes | None) -> None:
        self.append(LETTERS, value, dead_letter_headers(Reason.NO_RATE, "", USAGE.topic, 0, offset))

    def movement(self, offset: int) -> dict[str, Any]:
        (found,) = (each for each in self.topics[LOG] if each.offset() == offset)
        return CODECS[LOG.topic].decode_one(found.value())

    def store(self, end: int) -> None:
        """Have the sink store the log below `end`."""
        for each in self.topics.get(LOG, []):
            offset = int(each.offset() or 0)
            if self.stored <= offset < end:
                self.rows[offset] = [CODECS[LOG.topic].decode_one(each.value())]
        self.stored = max(self.stored, end)

    def audit(self, folder: Path, seed: int = 0, full: bool = False) -> Audit:
        """One round, with the checkpoint in `folder`."""
        readers = cast("Readers", MemoryReaders(self))
        checkpoint = Checkpoint.opened(folder, Owner({"credit-movements": self.log_id}, 1, LIMITS.max_age))
        try:
            return audit_once(readers, checkpoint, Rates(readers), Random(seed), 1.0, full=full)
        finally:
            checkpoint.close()


class MemoryReaders:
    """What `Readers` gives, of a History."""

    log_id = "log"
    codecs = ALL_CODECS

    def __init__(self, history: History) -> None:
        self._history = history

    def sink_committed(self, numbers: Iterable[int]) -> dict[int, int]:
        return dict.fromkeys(numbers, self._history.stored)

    def raters_committed(self, numbers: Iterable[int]) -> dict[TopicPartition, int]:
        return {
            USAGE: self._history.committed,
            TOP_UPS: self._history.end(TOP_UPS),
            ADJUSTMENTS: self._history.end(ADJUSTMENTS),
        }

    def written_ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self._history.end(each) for each in partitions}

    ends_not_below = written_ends

    def begins(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self._history.first_offset if each == USAGE else 0 for each in partitions}

    def new_rates(self, begin: int) -> Iterator[list[Message]]:
        if begin == 0:
            yield self._history.topics[TopicPartition(RATES.name, 0)]

    def records(self, spans: Mapping[TopicPartition, Span]) -> Iterator[tuple[TopicPartition, list[Message]]]:
        for partition, (begin, until) in spans.items():
            found = [each for each in self._history.topics.get(partition, []) if begin <= (each.offset() or 0) < until]
            for start in range(0, len(found), 3):
                yield partition, found[start : start + 3]

    def records_to_end(self, spans: Mapping[TopicPartition, Span]) -> Iterator[tuple[TopicPartition, list[Message]]]:
        return self.records({partition: Span(span.begin, 2**62) for partition, span in spans.items()})

    def movement_at(self, number: int) -> MovementAt:
        return self._history.movement

    def counts(self, begins: Mapping[int, int], from_month: int, months: list[int]) -> RowCounts:
        table = self._table()
        month = pl.Series([month_of(at) for at in table["occurred_at"].to_list()], dtype=pl.Int64)
        asked = table.with_columns(month=month).filter((month >= from_month) | month.is_in(months))
        is_below = pl.col("log_offset") < begins.get(0, 0)
        below, new = asked.filter(is_below), asked.filter(~is_below)
        return RowCounts(
            {0: months_of(below)} if len(below) else {},
            Counter({0: len(new)}),
            0,
            bool((new["month"] < from_month).any()),
        )

    def rows(
        self,
        spans: Mapping[int, Span],
        sink_committed: Mapping[int, int],
        kept_from: int,
        from_month: int = ALL_MONTHS,
        until_month: int = NO_MONTH,
    ) -> dict[int, Rows]:
        span, table = spans[0], self._table(kept_from)
        months = pl.Series([month_of(at) for at in table["occurred_at"].to_list()], dtype=pl.Int64)
        asked = table.filter((months >= from_month) & (months < until_month)).filter(
            (pl.col("log_offset") >= span.begin) & (pl.col("log_offset") < span.until)
        )
        passed = asked.filter(pl.col("log_offset") < sink_committed.get(0, 2**62))
        return {0: Rows(asked.select("log_offset", "row").sort("log_offset", "row"), sums_by_currency(passed))}

    def erasure(self, now_seconds: float) -> Erasure:
        return self._history.erasure

    def sums(self, *_: object) -> SumsFound:
        """Nothing is summed in memory: tests/integration/audit/test_sums.py has ClickHouse's."""
        return SumsFound(0, {}, [])

    def rows_at(self, number: int, log_offsets: list[int]) -> list[dict[str, Any]]:
        rows = self._history.rows
        return [{**row, "log_offset": offset} for offset in log_offsets for row in rows.get(offset, [])]

    def _table(self, kept_from: int = EVER) -> pl.DataFrame:
        stored = [(offset, row) for offset, rows in self._history.rows.items() for row in rows]
        movements = pl.DataFrame([row for _, row in stored], schema=CODECS[LOG.topic].dtypes)
        old = pl.col("occurred_at") < kept_from
        asked = movements.with_columns(pl.when(~old).then(pl.col(name)).alias(name) for name in PERSONAL)
        hashes = row_hashes(asked, id_hashes(events_of_movements(movements)))
        offsets = pl.Series("log_offset", [offset for offset, _ in stored], dtype=pl.Int64)
        return movements.with_columns(offsets, pl.Series("row", hashes))
