"""Movements that the log has twice.

Kafka hides what a transaction wrote that was aborted, and a reader sees each movement once. Tansu, the embedded broker, shows
it: the rater writes the same movements again right behind. So a movement counts once within a stretch of the log, and
that is longer than any batch of a rater.
"""

from typing import Final

import numpy as np
import polars as pl

from streams.dedup.fingerprints import Hashes, id_hashes
from streams.pricing.tables.hash_index import Mask

_STRETCH: Final = 2**17


class RecentMovements:
    """The ids of the last movements of a partition. `ids`: their hashes, in the order of the log."""

    def __init__(self, ids: Hashes | None = None) -> None:
        self.ids = np.zeros(0, dtype=np.uint64) if ids is None else ids

    def are_new(self, movements: pl.DataFrame) -> Mask:
        """Whether each of the next movements is there for the first time; remembers them."""
        hashes = id_hashes(movements.select("account_id", pl.col("movement_id").alias("event_id")))
        together = np.concatenate([self.ids, hashes])
        order = np.argsort(together, kind="stable")
        is_repeat = np.zeros(len(together), dtype=bool)
        same = together[order][1:] == together[order][:-1]
        is_repeat[order[1:]] = same & (order[1:] - order[:-1] <= _STRETCH)
        self.ids = together[-_STRETCH:]
        return ~is_repeat[len(together) - len(hashes) :]
