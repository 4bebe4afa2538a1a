"""Movements that the log has twice: which partitions have any.

Kafka hides what an aborted transaction wrote. Tansu, the embedded broker, shows it, and the rater writes the same movements
once more behind. The ledger counts each of them once, by its key; sums of blocks would count it at both places. So before the
second one is stored, its partition is said to have repeats, and from then on none of its sums counts.

A rater writes what it makes of a topic's events in their order: an offset of the event that does not grow gives a repeat
away. A sink that reads again and a rater that was set back look the same; the ledger says which it is.
"""

import logging
from collections.abc import Iterable
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.summed.grains import BLOCK_OFFSETS
from sinks.write.columns import Int64s
from sinks.write.sums.store import insert_repeats

logger = logging.getLogger(__name__)

_ID: Final = ("account_id", "movement_id")
_NEEDED: Final = (*_ID, "source_topic", "source_offset")
# A rater writes fewer at once.
_STRETCH: Final = 2 * BLOCK_OFFSETS
# The index over places in the log finds them.
_STRETCH_OF_LOG: Final = """
WHERE log_id = {log_id:String} AND log_partition = {log_partition:Int32}
  AND log_offset >= {begin:Int64} AND log_offset < {until:Int64}
"""
_NEWEST: Final = (
    f"SELECT source_topic, max(source_offset) FROM credit_movements {_STRETCH_OF_LOG} GROUP BY source_topic"
)
_STORED: Final = f"""
SELECT account_id, toString(movement_id) AS movement_id, log_offset AS offset FROM credit_movements {_STRETCH_OF_LOG}
"""


class Repeats:
    """Looks at what a sink is about to store, in the order of the log."""

    def __init__(self, client: Client, log_id: str) -> None:
        self._client = client
        self._log_id = log_id
        self._newest: dict[int, dict[str, int]] = {}
        self._noted: set[int] = set()

    def forget(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._newest.pop(partition, None)
            self._noted.discard(partition)

    def note(self, partitions: Int64s, offsets: Int64s, movements: pl.DataFrame) -> None:
        """Before these movements are stored. `movements` has the fields of CreditMovement. May be repeated; raises
        clickhouse_connect's OperationalError and DatabaseError."""
        placed = movements.select(_NEEDED).with_columns(
            pl.Series("partition", partitions, pl.Int64), pl.Series("offset", offsets, pl.Int64)
        )
        offset = pl.col("source_offset")
        runs = placed.group_by("partition", "source_topic").agg(
            offset.first().alias("first"), offset.diff().min().alias("step"), offset.max().alias("newest")
        )
        newest: dict[int, dict[str, int]] = {}
        suspects = set()
        for number, topic, first, step, last in runs.iter_rows():
            before = newest.get(number) or self._newest.get(number) or self._read(number, placed)
            newest[number] = before | {topic: max(last, before.get(topic, -1))}
            if first <= before.get(topic, -1) or (step is not None and step <= 0):
                suspects.add(number)
        for number in suspects - self._noted:
            if self._is_repeated(number, placed.filter(pl.col("partition") == number)):
                logger.warning(
                    "partition %d of the log has movements twice: its broker shows what an aborted transaction wrote. They"
                    " count once; balances of the partition's accounts are added up from the ledger from now on",
                    number,
                )
                insert_repeats(self._client, self._log_id, number)
                self._noted.add(number)
        self._newest |= newest

    def _read(self, partition: int, placed: pl.DataFrame) -> dict[str, int]:
        """By topic the newest offset of the events whose movements are stored and lie shortly before."""
        until = int(placed.filter(pl.col("partition") == partition)["offset"][0])
        rows = self._client.query(_NEWEST, parameters=self._before(partition, until), settings=WHOLE_ANSWER).result_rows
        return {str(topic): int(offset) for topic, offset in rows}

    def _is_repeated(self, partition: int, placed: pl.DataFrame) -> bool:
        """Whether one of these movements lies at two offsets, here or in what is stored of the log before."""
        before = self._before(partition, int(placed["offset"].max()))  # type: ignore[arg-type]
        rows = self._client.query(_STORED, parameters=before, settings=WHOLE_ANSWER).result_rows
        stored = pl.DataFrame(rows, schema={**dict.fromkeys(_ID, pl.String), "offset": pl.Int64}, orient="row")
        places = pl.concat([placed.select(*_ID, "offset"), stored.join(placed, on=_ID, how="semi")])
        return bool((places.group_by(_ID).agg(pl.col("offset").n_unique())["offset"] > 1).any())

    def _before(self, partition: int, until: int) -> dict[str, Any]:
        return {"log_id": self._log_id, "log_partition": partition, "begin": until - _STRETCH, "until": until}
