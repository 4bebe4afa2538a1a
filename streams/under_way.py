"""The batch of a rater that is being committed while the next one is decided."""

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kafka_io.positions import TopicPartition
from streams.batch import EventBatch
from streams.dedup.fingerprints import Hashes
from streams.dedup.runs import Run, look_up
from streams.events.sorted_keys import Ints
from streams.outcome import LookUp, Outcomes
from streams.pricing.rating import PriceList


@dataclass(frozen=True)
class UnderWay:
    """`next_offsets`: where the rater goes on after this batch. `prices`: those it was rated by. `began_at`: when work on it
    began, in seconds of the rater's monotonic clock. `commit`: gives, for each partition of `credit-movements` written to, the
    offset after the last movement."""

    batch: EventBatch
    outcomes: Outcomes
    next_offsets: dict[TopicPartition, int]
    prices: PriceList
    began_at: float
    commit: Future[dict[int, int]]

    def known_too(self, in_stores: LookUp) -> LookUp:
        """`in_stores`, with the ids of this batch's movements on top. If this batch is not committed after all, throw away what
        was decided by it."""
        moved = self.outcomes.moved
        ids, content = self.outcomes.ids[moved], self.outcomes.content[moved]
        run = Run.of(ids, content, self.outcomes.movements["occurred_at"].to_numpy())

        def in_both(partitions: Ints, wanted: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes, Ints]:
            known, known_content, forgotten_before = in_stores(partitions, wanted)
            here, content_here = look_up([run], wanted)
            return known | here, np.where(here, content_here, known_content), forgotten_before

        return in_both
