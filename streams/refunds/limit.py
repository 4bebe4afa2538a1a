"""Which adjustments of a batch give back more than the movement that they name has taken.

A charge took its amount from the account, and adjustments above 0 give it back. A top-up took as much from whoever paid, and
adjustments below 0 give it back. All of a movement may be given back, in as many parts as one likes: a movement and its
adjustments together never cross 0. An adjustment in the other direction is not limited, and makes room: what a correction
charges more, or takes back of a refund, can be given back as well.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl

from streams.events.sorted_keys import Ints
from streams.pricing.checks import CHECKS, Check
from streams.pricing.rating import Mask

_KEY: Final = ["account_id", "corrected_movement_id"]
TAKEN: Final[dict[str, type[pl.DataType]]] = {
    "account_id": pl.String,
    "corrected_movement_id": pl.String,
    "movement_nanos": pl.Int64,
    "adjusted_nanos": pl.Int64,
}
"""A line for each movement: its amount (null: the ledger has none), and the sum of its adjustments."""

TakenBefore = Callable[[pl.DataFrame], pl.DataFrame]
"""Of adjustments (EVENT_COLUMNS): TAKEN of the movements that they name, by the ledger without this batch. A movement without a
line has no adjustments either."""


class Room:
    """What may still be given back of each movement that adjustments of a batch name, in the order of the log.

    `shared`: the rows whose movement other adjustments of the batch name too. Whatever of these stands takes room from those
    that come later, or makes it.
    """

    def __init__(self, rows: Ints, named: pl.DataFrame) -> None:
        """`rows`: indices in the batch. `named`: of each row `amount_nanos` and TAKEN."""
        down = pl.col("movement_nanos") > 0
        stands = pl.col("movement_nanos") + pl.col("adjusted_nanos")
        sums = named.select(
            pl.col("movement_nanos").is_null().alias("is_missing"),
            pl.when(down).then(-pl.col("amount_nanos")).otherwise("amount_nanos").alias("gives"),
            pl.when(down).then(stands).otherwise(-stands).fill_null(0).alias("left"),
            pl.struct(_KEY).rank("dense").alias("movement"),
            (pl.len().over(_KEY) > 1).alias("is_shared"),
        )
        is_shared = sums["is_shared"].to_numpy()
        is_missing = sums["is_missing"].to_numpy()
        too_large = ~is_missing & ((sums["gives"] > 0) & (sums["gives"] > sums["left"])).to_numpy()
        self._missing, self._too_large = rows[is_missing], rows[too_large & ~is_shared]
        self.shared = rows[is_shared & ~is_missing]
        of_shared = sums.filter(is_shared & ~is_missing)
        self._gives = dict(zip(self.shared.tolist(), of_shared.select("movement", "gives").rows(), strict=True))
        self._left: dict[int, int] = dict(of_shared.select("movement", "left").rows())

    def refuse(self, failed: Ints) -> None:
        """Note the check of each row that cannot stand, whatever becomes of the others."""
        failed[self._missing] = CHECKS.index(Check.NO_MOVEMENT)
        failed[self._too_large] = CHECKS.index(Check.REFUND)

    def take(self, row: int) -> bool:
        """Whether this row still has room, which is taken then. Rows that are not `shared` have been judged by `refuse`."""
        if row not in self._gives:
            return True
        movement, gives = self._gives[row]
        if gives > 0 and gives > self._left[movement]:
            return False
        self._left[movement] -= gives
        return True


def room_in(events: pl.DataFrame, priced: pl.DataFrame, stands: Mask, taken_before: TakenBefore) -> Room | None:
    """The room of a batch (EVENT_COLUMNS, and the priced columns of the same rows); None where no adjustment of it needs any.

    `stands`: the rows that become movements unless they are repeats within the batch. An adjustment may name one of these,
    but no other adjustment of its batch that names one itself: that one is not sure to stand.
    """
    corrected = events["corrected_movement_id"]
    if corrected.null_count() == len(corrected):
        return None
    naming = stands & corrected.is_not_null().to_numpy()
    rows = np.flatnonzero(naming)
    if len(rows) == 0:
        return None
    adjustments = events.filter(naming)
    others = pl.Series(stands & ~naming)
    here = (
        events.filter(others)
        .select("account_id", pl.col("event_id").alias("corrected_movement_id"))
        .with_columns(priced.filter(others)["credit_movement_nanos"].alias("here_nanos"))
        .join(adjustments, on=_KEY, how="semi")
        .unique(_KEY, keep="first", maintain_order=True)
    )
    named = (
        adjustments.select(*_KEY, "amount_nanos")
        .join(taken_before(adjustments), on=_KEY, how="left", maintain_order="left")
        .join(here, on=_KEY, how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("movement_nanos", "here_nanos").alias("movement_nanos"),
            pl.col("adjusted_nanos").fill_null(0),
        )
    )
    return Room(rows, named)
