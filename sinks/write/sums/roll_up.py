"""The sink's part in the sums: gathers the movements that it reads, and writes the sums of each block that it has read whole.

1. `gather` takes each batch in the order in which it was read, and says which blocks end with it.
2. When the batch's movements are in ClickHouse, `write` writes the sums of these blocks, then how far they reach.
3. Only then the sink commits offsets behind the blocks. So a crash anywhere leaves no hole: what is not covered is written
   again.

Of the block in whose middle the sink began, it has read a part only; and after a step back in the log nobody knows what was
read twice. Such blocks ClickHouse adds up itself, from the ledger: it has all movements below an offset that may be
committed. If sums are many blocks behind (a ledger of before), that is the work of `setup`, and the sink writes none until
they have come near.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

from kafka_io.reading import Span
from sinks.read.summed.grains import BLOCK_OFFSETS
from sinks.read.summed.reach import Reach, read_reach
from sinks.write.batch import MovementBatch
from sinks.write.columns import Int64s
from sinks.write.sums.of_ledger import sum_span
from sinks.write.sums.of_movements import COLUMNS
from sinks.write.sums.repeats import Repeats
from sinks.write.sums.store import insert_reach, insert_sums, users_left_out

logger = logging.getLogger(__name__)

# So many blocks a sink has ClickHouse add up; more would hold up what it is there for.
MOST_BLOCKS_OF_LEDGER: Final = 64
# Thousands of small tables would cost more than their rows.
_MOST_PIECES: Final = 256


@dataclass(frozen=True)
class DueBlocks:
    """The blocks of a partition below `until`, of `size` offsets, are read. `movements` has those of the blocks from
    `whole_from` on; None: there are none."""

    partition: int
    size: int
    whole_from: int
    until: int
    movements: pl.DataFrame | None


@dataclass
class _Gathered:
    """Of one partition, whose blocks have `size` offsets: the movements (`pieces`) from the block that begins at `whole_from`
    on, of which none was or will be missed. `next_offset` comes next. Up to `due` the blocks were handed on."""

    partition: int
    size: int
    whole_from: int
    next_offset: int
    due: int
    pieces: list[pl.DataFrame] = field(default_factory=list)

    @classmethod
    def from_offset(cls, partition: int, size: int, offset: int) -> "_Gathered":
        return cls(partition, size, _block_after(offset, size), offset, due=offset - offset % size)

    def note(self, offsets: Int64s, reached: int) -> None:
        """These come now, and `reached` comes next."""
        first = int(offsets[0]) if len(offsets) else reached
        seen = max(self.next_offset, reached)
        if first < self.next_offset or not (offsets[1:] > offsets[:-1]).all():
            # A step back: only behind all that was seen nothing is read twice. Blocks whose sums are there are not written
            # again.
            self.whole_from, self.pieces = _block_after(seen, self.size), []
            self.due = min(self.due, first - first % self.size)
        self.next_offset = seen

    def keep(self, offsets: Int64s, movements: pl.DataFrame) -> None:
        """The movements at these offsets, but for those of the blocks that are left to ClickHouse."""
        place = [
            pl.lit(self.partition, pl.Int32).alias("log_partition"),
            pl.Series("log_block", offsets - offsets % self.size, dtype=pl.Int64),
        ]
        placed = movements.select(COLUMNS).with_columns(place).filter(pl.col("log_block") >= self.whole_from)
        if len(placed):
            self.pieces.append(placed)
        if len(self.pieces) > _MOST_PIECES:
            self.pieces = [pl.concat(self.pieces, rechunk=True)]

    def taken(self, reached: int) -> DueBlocks | None:
        """The blocks that end by `reached` and were not handed on yet: they are gathered no longer."""
        until = reached - reached % self.size
        if until <= self.due:
            return None
        self.due = until
        movements = pl.concat(self.pieces) if self.pieces else None
        if movements is not None:
            is_due = pl.col("log_block") < until
            kept, movements = movements.filter(~is_due), movements.filter(is_due)
            self.pieces = [kept] if len(kept) else []
        return DueBlocks(self.partition, self.size, self.whole_from, until, movements)


class RollUp:
    """`write` is called where ClickHouse is written to, all else where the log is read; `learn` before each `gather`.

    `log_id` identifies the log. A partition that has no sums yet gets blocks of `block_offsets` offsets. `reached`: partition →
    offset below which all sums are written, as this sink saw it last; any thread may look.
    """

    def __init__(self, client: Client, log_id: str, block_offsets: int = BLOCK_OFFSETS) -> None:
        self._client = client
        self._log_id = log_id
        self._block_offsets = block_offsets
        self._repeats = Repeats(client, log_id)
        self.reached: dict[int, int] = {}
        self._new: set[int] = set()
        self._sizes: dict[int, int] = {}
        self._gathered: dict[int, _Gathered] = {}

    def begin(self, partitions: Iterable[int]) -> None:
        """These are read now, from wherever."""
        partitions = set(partitions)
        self.forget(partitions)
        self._new |= partitions

    def forget(self, partitions: Iterable[int]) -> None:
        """These are another worker's now."""
        partitions = set(partitions)
        self._repeats.forget(partitions)
        for partition in partitions:
            self._new.discard(partition)
            self._gathered.pop(partition, None)
            self._sizes.pop(partition, None)
            self.reached.pop(partition, None)

    def learn(self) -> None:
        """What has to be known of the partitions that began. Raises clickhouse_connect's OperationalError and DatabaseError."""
        if self._new:
            reach = read_reach(self._client, self._log_id)
            for partition in self._new:
                known = reach.get(partition, Reach(self._block_offsets, 0))
                self._sizes[partition] = known.block_offsets or self._block_offsets
                self.reached[partition] = known.reached
            self._new = set()

    def gather(self, batch: MovementBatch, movements: pl.DataFrame) -> list[DueBlocks]:
        """The blocks that end with this batch. `movements` has the fields of CreditMovement, a row for each of the batch."""
        due = []
        for partition, reached in batch.reached.items():
            if partition not in self._sizes:
                continue
            is_of_partition = batch.partitions == partition
            offsets = batch.offsets[is_of_partition]
            gathered = self._gathered.setdefault(
                partition,
                _Gathered.from_offset(partition, self._sizes[partition], int(offsets[0]) if len(offsets) else reached),
            )
            gathered.note(offsets, reached)
            if len(offsets):
                gathered.keep(offsets, movements.filter(pl.Series(is_of_partition)))
            due.append(gathered.taken(reached))
        return [each for each in due if each is not None]

    def note_repeats(self, batch: MovementBatch, movements: pl.DataFrame) -> None:
        """Before the batch's movements are stored: see `repeats`. After an error: again. Raises as `write`."""
        self._repeats.note(batch.partitions, batch.offsets, movements)

    def write(self, due: DueBlocks) -> None:
        """Write the sums of these blocks, and of all before them that have none. Their movements are in ClickHouse. After an
        error: write the same again. Raises clickhouse_connect's OperationalError and DatabaseError."""
        reach = read_reach(self._client, self._log_id)
        # Of partitions that are quiet, too: `setup` may have written their sums.
        self.reached |= {number: each.reached for number, each in reach.items() if number in self.reached}
        known = reach.get(due.partition, Reach(due.size, 0))
        begin = known.reached
        if begin >= due.until or known.has_repeats:
            return
        of_ledger = Span(begin, min(max(begin, due.whole_from), due.until))
        if of_ledger.until - of_ledger.begin > MOST_BLOCKS_OF_LEDGER * due.size:
            logger.warning(
                "partition %d of the log: the sums of movements end at offset %d, far behind %d: run `credit-movements setup`."
                " Until then balances take longer, and none is wrong",
                due.partition,
                begin,
                due.until,
            )
            return
        with users_left_out(self._client) as erased:
            if of_ledger.begin < of_ledger.until:
                sum_span(self._client, self._log_id, due.partition, of_ledger, due.size, erased)
            if due.movements is not None:
                in_memory = due.movements.filter(pl.col("log_block") >= of_ledger.until)
                insert_sums(self._client, in_memory, self._log_id, erased)
        insert_reach(self._client, self._log_id, {due.partition: Reach(due.size, due.until)})
        self.reached |= {due.partition: due.until}


def _block_after(offset: int, size: int) -> int:
    """The first block that begins at the offset or behind it."""
    return (offset + size - 1) // size * size
