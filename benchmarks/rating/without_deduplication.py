"""The rater without deduplication: by how much it is faster, so much deduplication costs.

It neither hashes events nor looks them up nor remembers them. So it charges duplicates twice: use it for measuring alone.
"""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_movements.settings import load_settings
from credit_movements.workers.rater import run_rater
from streams import outcome
from streams.dedup import stores
from streams.dedup.store import DedupStore
from streams.rater import Rater

Hashes = npt.NDArray[np.uint64]


def _all_different(events: pl.DataFrame) -> Hashes:
    return np.arange(len(events), dtype=np.uint64)


class _WithoutDeduplication(DedupStore):
    def look_up(self, ids: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes]:
        return np.zeros(len(ids), dtype=bool), np.zeros(len(ids), dtype=np.uint64)

    def add(self, ids: Hashes, content: Hashes, occurred_at: npt.NDArray[np.int64], reached_offset: int) -> None:
        self.reached_offset = reached_offset


def _nothing_under_way(rater: Rater, *asked: npt.NDArray[Any]) -> Any:
    return rater._assignment.stores.look_up(*asked)


if __name__ == "__main__":
    outcome.id_hashes = outcome.content_hashes = _all_different  # type: ignore[attr-defined]
    stores.DedupStore = _WithoutDeduplication  # type: ignore[attr-defined]
    Rater._look_up = _nothing_under_way  # type: ignore[method-assign]
    run_rater(load_settings(), threading.Event())
