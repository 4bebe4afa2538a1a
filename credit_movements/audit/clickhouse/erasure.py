"""What of a movement ClickHouse need not have any more: the numbers and users of erased accounts, and those that are old.

The log keeps them. So a movement is held against its row as it has to be by now, and what is proved of the log stays proved.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from credit_movements.audit.clickhouse.row_hashes import row_hashes
from sinks.read.erased import PERSONAL
from streams.dedup.fingerprints import Hashes

EVER = -(2**62)


@dataclass(frozen=True)
class Erasure:
    """The rows of `accounts` have neither. Those that occurred before `kept_from` (microseconds) may have them or not:
    ClickHouse takes them out in its own time."""

    accounts: list[str] = field(default_factory=list)
    kept_from: int = EVER

    def row_hashes(self, movements: pl.DataFrame, id_hashes: Hashes, of_log: Hashes) -> Hashes:
        """The hashes that the rows of `movements` have to have. `of_log`: those of the movements as the log has them."""
        is_erased = movements.select(
            pl.col("account_id").is_in(self.accounts) | (pl.col("occurred_at") < self.kept_from)
        ).to_series()
        if not is_erased.any():
            return of_log
        at = np.flatnonzero(is_erased.to_numpy())
        without = movements[at].with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in PERSONAL)
        hashes = of_log.copy()
        hashes[at] = row_hashes(without, id_hashes[at])
        return hashes
