"""One partition of the log beside its rows in ClickHouse."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from credit_movements.audit.clickhouse.row_hashes import checksum
from credit_movements.audit.clickhouse.rows import Rows
from credit_movements.audit.differences import Findings, Kind, position_name
from credit_movements.audit.log_partition import LogPartition, MovementAt, sums_by_currency
from schemas.topics import CREDIT_MOVEMENTS

RowsAt = Callable[[int, list[int]], list[dict[str, Any]]]
"""Reads whole rows of a log partition, by their log offsets: for examples."""


@dataclass(frozen=True)
class LogCount:
    """Movements of one log partition below `sink_committed`, and what ClickHouse has of them. Sums are nanos by currency.
    Of the movements `proved_before` were proved by earlier rounds, and are rows since."""

    partition: int
    sink_committed: int
    movements: int
    rows: int
    log_sums: dict[str, int]
    row_sums: dict[str, int]
    log_checksum: int
    row_checksum: int
    proved_before: int = 0

    @property
    def difference(self) -> int:
        return self.movements - self.rows


class ProjectionAudit:
    """Compares rows with the log: each movement before the sink's offset must be a row, each row a movement of the log."""

    def __init__(self, rows_at: RowsAt, movement_at: MovementAt, findings: Findings) -> None:
        self._rows_at = rows_at
        self._movement_at = movement_at
        self._findings = findings

    def compare(self, log: LogPartition, rows: Rows, sink_committed: int) -> LogCount:
        """`rows` must have been read before the end of `log` was noted: then each of them lies in the log."""
        in_log = log.table.select("log_offset", pl.col("row_by_now").alias("log_row"))
        first_rows = rows.table.unique("log_offset", keep="first")
        passed_log, passed_rows = (each.filter(pl.col("log_offset") < sink_committed) for each in (in_log, rows.table))
        missing = passed_log.join(first_rows, on="log_offset", how="anti").sort("log_offset")
        strange = first_rows.join(in_log, on="log_offset", how="anti").sort("log_offset")
        twice = rows.table.filter(~pl.col("log_offset").is_first_distinct())
        changed = first_rows.join(in_log, on="log_offset").filter(pl.col("row") != pl.col("log_row")).sort("log_offset")
        self._add(Kind.MISSING_ROW, missing, self._missing(missing, log.number))
        self._add(Kind.SURPLUS_ROW, strange, self._surplus(strange, log.number, "the log has no movement there"))
        self._add(Kind.SURPLUS_ROW, twice, self._surplus(twice, log.number, "two rows of one position in the log"))
        self._add(Kind.CHANGED_ROW, changed, self._changed(changed, log.number))
        return LogCount(
            partition=log.number,
            sink_committed=sink_committed,
            movements=len(passed_log),
            rows=len(passed_rows),
            log_sums=dict(sums_by_currency(log.table.filter(pl.col("log_offset") < sink_committed))),
            row_sums=dict(rows.sums),
            log_checksum=checksum(passed_log["log_row"].to_numpy()),
            row_checksum=checksum(passed_rows["row"].to_numpy()),
        )

    def _add(self, kind: Kind, wrong: pl.DataFrame, examples: Iterator[tuple[str, str, str]]) -> None:
        if len(wrong):
            self._findings.add(kind, len(wrong), examples)

    def _missing(self, missing: pl.DataFrame, partition: int) -> Iterator[tuple[str, str, str]]:
        for offset in missing["log_offset"]:
            movement = self._movement_at(offset)
            yield _position(partition, offset), movement["movement_id"], f"account {movement['account_id']!r}"

    def _surplus(self, rows: pl.DataFrame, partition: int, what: str) -> Iterator[tuple[str, str, str]]:
        offsets = rows["log_offset"].head(self._findings.room(Kind.SURPLUS_ROW)).to_list()
        for row in self._rows_at(partition, offsets):
            yield _position(partition, row["log_offset"]), row["movement_id"], f"account {row['account_id']!r}: {what}"

    def _changed(self, changed: pl.DataFrame, partition: int) -> Iterator[tuple[str, str, str]]:
        offsets = changed["log_offset"].head(self._findings.room(Kind.CHANGED_ROW)).to_list()
        for row in self._rows_at(partition, offsets):
            movement = self._movement_at(row["log_offset"])
            yield _position(partition, row["log_offset"]), movement["movement_id"], _changes(movement, row)


def _changes(movement: dict[str, Any], row: dict[str, Any]) -> str:
    fields = [f"{name} {said!r} is {row[name]!r}" for name, said in movement.items() if row[name] != said]
    return "; ".join(fields) or "it was changed back"


def _position(partition: int, offset: int) -> str:
    return position_name(CREDIT_MOVEMENTS.name, partition, offset)
