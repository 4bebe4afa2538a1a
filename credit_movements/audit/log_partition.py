"""One partition of the log `credit-movements`: what the audit keeps of it, to compare it with the rest."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
from confluent_kafka import Message

from credit_movements.audit import recomputed
from credit_movements.audit.differences import Findings, Kind, position_name
from credit_movements.audit.rate_history import RateHistory
from kafka_io.positions import position_of
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.events.table import SOURCES, events_of_movements

MovementAt = Callable[[int], dict[str, Any]]
"""Reads the movement at an offset of this partition: for examples."""

_MICROS_PER_MILLI = 1000
_TOPICS = [topic.name for topic in SOURCES]
# 46 bytes a movement, however long its texts are.
_KEPT: dict[str, type[pl.DataType]] = {
    "log_offset": pl.Int64,
    "topic": pl.Int16,
    "source_partition": pl.Int32,
    "source_offset": pl.Int64,
    "id": pl.UInt64,
    "content": pl.UInt64,
    "row": pl.UInt64,
}


@dataclass(frozen=True)
class LogPartition:
    """`table`: a line for each movement, by log offset; `topic` is the index in SOURCES (-1: none of them), `id`, `content`
    and `row` are hashes."""

    number: int
    table: pl.DataFrame

    def of_source(self, topic: str) -> pl.DataFrame:
        """The movements of a source topic's partition of the same number, by source offset."""
        return self.table.filter(
            pl.col("topic") == _TOPICS.index(topic), pl.col("source_partition") == self.number
        ).sort("source_offset", "log_offset")


def row_hashes(movements: pl.DataFrame, dtypes: dict[str, Any]) -> pl.Series:
    """A hash of each whole row, the same for the same fields within one process and version of Polars."""
    return movements.select(pl.col(name).cast(dtype) for name, dtype in dtypes.items()).hash_rows(seed=0)


class LogAudit:
    """Reads one partition of the log, and recomputes every movement on the way."""

    def __init__(self, number: int, codec: RecordCodec, rates: RateHistory, findings: Findings) -> None:
        self._number = number
        self._codec = codec
        self._rates = rates
        self._findings = findings
        self._kept = [pl.DataFrame(schema=_KEPT)]
        self._doubtful: list[pl.DataFrame] = []
        self.sums: Counter[str] = Counter()

    def take(self, messages: list[Message], sink_committed: int) -> None:
        """Take in a batch; `sums` (nanos by currency) are of the movements that the sink has passed."""
        decoded = self._codec.decode([message.value() for message in messages])
        for refusal in decoded.refusals:
            position = self._position(position_of(messages[refusal.row])[1])
            self._findings.add(Kind.NO_MOVEMENT, 1, [(position, "", f"{refusal.reason}: {refusal.detail}")])
        positions = pl.DataFrame(
            {
                "log_offset": [message.offset() for message in messages],
                "rated_at": [message.timestamp()[1] for message in messages],
            },
            schema={"log_offset": pl.Int64, "rated_at": pl.Int64},
        ).with_columns(pl.col("rated_at") * _MICROS_PER_MILLI)
        movements = decoded.rows.hstack(positions[decoded.rows["row"]]).drop("row")
        doubtful = movements.join(self._faults(movements), on="log_offset", how="semi")
        self._doubtful += [doubtful] if len(doubtful) else []
        self.sums.update(sums_by_currency(movements.filter(pl.col("log_offset") < sink_committed)))
        self._kept.append(self._kept_of(movements))

    @property
    def has_doubts(self) -> bool:
        """Whether some movement is not what the rates read so far give. Then read the newest rates before `finish`."""
        return bool(self._doubtful)

    def finish(self, movement_at: MovementAt) -> LogPartition:
        """The whole partition. Here the movements that are wrong, twice, or of another partition are found."""
        if self._doubtful:
            self._tell_faults(self._faults(pl.concat(self._doubtful)))
        log = LogPartition(self._number, pl.concat(self._kept))
        self._find_doubled(log.table, ["id"], movement_at)
        # Two movements of one event have one id, so they were found already.
        by_place = log.table.unique("id", keep="first", maintain_order=True)
        self._find_doubled(by_place, ["topic", "source_partition", "source_offset"], movement_at)
        stray = log.table.filter((pl.col("topic") < 0) | (pl.col("source_partition") != self._number))
        self._findings.add(Kind.NO_SOURCE, len(stray), (self._told_stray(row, movement_at) for row in _rows(stray)))
        return log

    def _faults(self, movements: pl.DataFrame) -> pl.DataFrame:
        return recomputed.faults(movements, *self._rates.tables())

    def _tell_faults(self, wrong: pl.DataFrame) -> None:
        for (kind,), rows in wrong.group_by("kind"):
            self._findings.add(
                Kind(kind),
                len(rows),
                (
                    (self._position(row["log_offset"]), row["movement_id"], recomputed.detail(row))
                    for row in rows.iter_rows(named=True)
                ),
            )

    def _kept_of(self, movements: pl.DataFrame) -> pl.DataFrame:
        events = events_of_movements(movements)
        topics = pl.col("source_topic").replace_strict(_TOPICS, range(len(_TOPICS)), default=-1, return_dtype=pl.Int16)
        return movements.select(
            "log_offset",
            topics.alias("topic"),
            pl.col("source_partition").cast(pl.Int32, strict=False).fill_null(-1),
            "source_offset",
            pl.Series("id", id_hashes(events)),
            pl.Series("content", content_hashes(events)),
            row_hashes(movements, self._codec.dtypes).alias("row"),
        )

    def _find_doubled(self, table: pl.DataFrame, by: list[str], movement_at: MovementAt) -> None:
        again = table.filter(~pl.struct(by).is_first_distinct())
        if len(again) == 0:
            return
        firsts = table.unique(by, keep="first").select(*by, pl.col("log_offset").alias("first_offset"))
        shown = again.head(self._findings.room(Kind.DOUBLED)).join(firsts, on=by)
        self._findings.add(
            Kind.DOUBLED, len(again), (self._example_of_doubled(row, movement_at) for row in _rows(shown))
        )

    def _example_of_doubled(self, row: dict[str, Any], movement_at: MovementAt) -> tuple[str, str, str]:
        movement, first = movement_at(row["log_offset"]), movement_at(row["first_offset"])
        said = f"a second movement beside {self._position(row['first_offset'])}, of {_source(movement)} and {_source(first)}"
        return self._position(row["log_offset"]), movement["movement_id"], said

    def _told_stray(self, row: dict[str, Any], movement_at: MovementAt) -> tuple[str, str, str]:
        movement = movement_at(row["log_offset"])
        return self._position(row["log_offset"]), movement["movement_id"], f"it names {_source(movement)}"

    def _position(self, offset: int) -> str:
        return position_name(CREDIT_MOVEMENTS.name, self._number, offset)


def sums_by_currency(movements: pl.DataFrame) -> dict[str, int]:
    """Nanos by currency: `credit_movement_nanos` summed up in 128 bits, because 64 could overflow."""
    sums = movements.group_by("currency").agg(pl.col("credit_movement_nanos").cast(pl.Int128).sum())
    return {currency: int(nanos) for currency, nanos in sums.iter_rows()}


def _source(movement: dict[str, Any]) -> str:
    return position_name(movement["source_topic"], movement["source_partition"], movement["source_offset"])


def _rows(table: pl.DataFrame) -> Iterator[dict[str, Any]]:
    return table.iter_rows(named=True)
