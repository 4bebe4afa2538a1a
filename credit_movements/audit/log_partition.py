"""One partition of the log `credit-movements`: what the audit keeps of it, to compare it with the rest."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_movements.audit.clickhouse.erasure import Erasure
from credit_movements.audit.clickhouse.row_hashes import row_hashes
from credit_movements.audit.differences import Findings, Kind, position_name
from credit_movements.audit.rating import recomputed
from credit_movements.audit.rating.rate_history import RateHistory
from credit_movements.audit.records import Records
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS
from streams.dedup.fingerprints import Hashes, content_hashes, id_hashes
from streams.events.table import SOURCES, events_of_movements

MovementAt = Callable[[int], dict[str, Any]]
"""Reads the movement at an offset of this partition: for examples."""

Known = Callable[[Hashes], tuple[npt.NDArray[np.bool_], Hashes]]
"""For each hash of an id whether a movement that was proved before has it, and the hash of its content."""

_TOPICS = [topic.name for topic in SOURCES]
# 74 bytes a movement, however long its texts are.
_KEPT: dict[str, type[pl.DataType]] = {
    "log_offset": pl.Int64,
    "topic": pl.Int16,
    "source_partition": pl.Int32,
    "source_offset": pl.Int64,
    "id": pl.UInt64,
    "content": pl.UInt64,
    "row": pl.UInt64,
    "row_by_now": pl.UInt64,
    "occurred_at": pl.Int64,
    "credit_movement_nanos": pl.Int64,
    "currency": pl.Categorical,
}


@dataclass(frozen=True)
class LogPartition:
    """`table`: a line for each movement, by log offset; `topic` is the index in SOURCES (-1: none of them), `id`, `content`,
    `row` and `row_by_now` are hashes: as the log has the movement, and as its row has to be (see `Erasure`)."""

    number: int
    table: pl.DataFrame

    @staticmethod
    def topic_index(topic: str) -> int:
        """Its number in the column `topic`."""
        return _TOPICS.index(topic)

    def of_source(self, topic: str) -> pl.DataFrame:
        """The movements of a source topic's partition of the same number, by source offset."""
        return self.table.filter(
            pl.col("topic") == _TOPICS.index(topic), pl.col("source_partition") == self.number
        ).sort("source_offset", "log_offset")


def nothing_known(ids: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes]:
    return np.zeros(len(ids), dtype=bool), np.zeros(len(ids), dtype=np.uint64)


class LogAudit:
    """Reads one partition of the log, and recomputes every movement on the way."""

    def __init__(
        self, number: int, codec: RecordCodec, rates: RateHistory, erasure: Erasure, findings: Findings
    ) -> None:
        self._erasure = erasure
        self._number = number
        self._codec = codec
        self._rates = rates
        self._findings = findings
        self._kept = [pl.DataFrame(schema=_KEPT)]
        self._doubtful: list[pl.DataFrame] = []

    def take(self, records: Records) -> None:
        """Take in a batch, with its times."""
        decoded = self._codec.decode(records.values)
        offsets = records.offsets
        for refusal in decoded.refusals:
            position = self._position(int(offsets[refusal.row]))
            self._findings.add(Kind.NO_MOVEMENT, 1, [(position, "", f"{refusal.reason}: {refusal.detail}")])
        rows = decoded.rows["row"].to_numpy()
        movements = decoded.rows.drop("row").with_columns(
            pl.Series("log_offset", offsets[rows]), pl.Series("rated_at", records.times[rows])
        )
        doubtful = self._faults(movements)
        if len(doubtful):
            self._doubtful.append(movements.join(doubtful, on="log_offset", how="semi"))
        self._kept.append(self._kept_of(movements))

    @property
    def has_doubts(self) -> bool:
        """Whether some movement is not what the rates read so far give. Then read the newest rates before `finish`."""
        return bool(self._doubtful)

    def finish(self, movement_at: MovementAt, known: Known = nothing_known) -> LogPartition:
        """All of them. Here the movements that are wrong, twice, or of another partition are found."""
        if self._doubtful:
            self._tell_faults(self._faults(pl.concat(self._doubtful)))
        log = LogPartition(self._number, pl.concat(self._kept))
        self._find_known(log.table, known, movement_at)
        self._find_doubled(log.table, ["id"], movement_at)
        # Two movements of one event have one id, so they were found already.
        by_place = log.table.unique("id", keep="first", maintain_order=True)
        self._find_doubled(by_place, ["topic", "source_partition", "source_offset"], movement_at)
        stray = log.table.filter((pl.col("topic") < 0) | (pl.col("source_partition") != self._number))
        self._findings.add(
            Kind.NO_SOURCE, len(stray), (self._told(row, movement_at, "it names {}") for row in _rows(stray))
        )
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
        ids = id_hashes(events)
        rows = row_hashes(movements, ids)
        topics = pl.col("source_topic").replace_strict(_TOPICS, range(len(_TOPICS)), default=-1, return_dtype=pl.Int16)
        return movements.select(
            "log_offset",
            topics.alias("topic"),
            pl.col("source_partition").cast(pl.Int32, strict=False).fill_null(-1),
            "source_offset",
            pl.Series("id", ids),
            pl.Series("content", content_hashes(events)),
            pl.Series("row", rows),
            pl.Series("row_by_now", self._erasure.row_hashes(movements, ids, rows)),
            "occurred_at",
            "credit_movement_nanos",
            pl.col("currency").cast(pl.Categorical),
        )

    def _find_known(self, table: pl.DataFrame, known: Known, movement_at: MovementAt) -> None:
        again = table.filter(pl.Series(known(table["id"].to_numpy())[0]))
        said = "a second movement beside one that was proved before, of {}"
        self._findings.add(Kind.DOUBLED, len(again), (self._told(row, movement_at, said) for row in _rows(again)))

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

    def _told(self, row: dict[str, Any], movement_at: MovementAt, said: str) -> tuple[str, str, str]:
        movement = movement_at(row["log_offset"])
        return self._position(row["log_offset"]), movement["movement_id"], said.format(_source(movement))

    def _position(self, offset: int) -> str:
        return position_name(CREDIT_MOVEMENTS.name, self._number, offset)


def sums_by_currency(movements: pl.DataFrame) -> Counter[str]:
    """Nanos by currency: `credit_movement_nanos` summed up in 128 bits, because 64 could overflow."""
    sums = movements.group_by("currency").agg(pl.col("credit_movement_nanos").cast(pl.Int128).sum())
    return Counter({currency: int(nanos) for currency, nanos in sums.iter_rows()})


def _source(movement: dict[str, Any]) -> str:
    return position_name(movement["source_topic"], movement["source_partition"], movement["source_offset"])


def _rows(table: pl.DataFrame) -> Iterator[dict[str, Any]]:
    return table.iter_rows(named=True)
