"""What a rater asks the ledger in ClickHouse: what movements took, and what was given back of them before.

The ledger is behind the log until the sink has stored what the raters have committed, so it is waited for. Only batches with
adjustments that name a movement ask.
"""

from collections.abc import Callable, Collection, Mapping
from threading import Event
from typing import Final

import polars as pl

from kafka_io.errors import Outage
from streams.refunds.limit import TakenBefore

StoredUntil = Callable[[Collection[int]], Mapping[int, int]]
"""Of partitions of `credit-movements`: the offset below which all is stored."""

# The sink is mostly a moment behind: that is nothing to complain of.
_PATIENT_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 0.2


class SinkBehindError(Outage):
    """The sink has not yet stored what has to be known."""


class RefundLedger:
    def __init__(self, stored_until: StoredUntil, taken_before: TakenBefore) -> None:
        self._stored_until = stored_until
        self._taken_before = taken_before

    def taken_before(self, adjustments: pl.DataFrame, needed: Mapping[int, int], stop: Event) -> pl.DataFrame:
        """TAKEN of what these adjustments (EVENT_COLUMNS) name. `needed`: partition → the offset of the log below which
        movements count.

        Raises SinkBehindError, and what the two questions raise: an outage. Blocks for some seconds at most.
        """
        self._wait_for_sink(needed, stop)
        return self._taken_before(adjustments)

    def _wait_for_sink(self, needed: Mapping[int, int], stop: Event) -> None:
        waited = 0.0
        while behind := self._behind(needed):
            # The longer it lasts, the less often it is asked.
            pause = min(_LONGEST_PAUSE_SECONDS, _PAUSE_SECONDS + waited / 10)
            if waited > _PATIENT_SECONDS or stop.wait(pause):
                raise SinkBehindError(f"an adjustment names a movement, and the sink has stored {behind}")
            waited += pause

    def _behind(self, needed: Mapping[int, int]) -> str:
        """What the sink has still to store, in words; empty when there is nothing."""
        stored = self._stored_until(needed.keys())
        behind = [(number, offset) for number, offset in needed.items() if stored[number] < offset]
        return ", ".join(f"partition {number} to {stored[number]} of {offset}" for number, offset in behind)
