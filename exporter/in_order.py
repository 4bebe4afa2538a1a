"""Acknowledges records in the order of the log, in whatever order their work ends."""

from collections import defaultdict
from collections.abc import Callable
from typing import Generic, TypeVar

Event = TypeVar("Event")


class InOrderAcks(Generic[Event]):
    """Acknowledges a record only when all earlier ones of its partition are done.

    Faust commits the offset after the highest record of a run of acknowledged ones, and overlooks a single missing record right
    before that run. So an acknowledgement out of order could make Faust commit past work that was never done.
    """

    def __init__(self, acknowledge: Callable[[Event], None]) -> None:
        self._acknowledge = acknowledge
        self._open: defaultdict[int, dict[int, Event]] = defaultdict(dict)
        self._done: defaultdict[int, dict[int, Event]] = defaultdict(dict)

    def begin(self, partition: int, offset: int, event: Event) -> bool:
        """Note that the work for a record begins. False if it has begun before: Kafka delivers records again after a
        rebalance."""
        for records in (self._open[partition], self._done[partition]):
            if offset in records:
                records[offset] = event
                return False
        self._open[partition][offset] = event
        return True

    def done(self, partition: int, offset: int) -> None:
        """The work for a record is done: acknowledge it and what waited for it, or let it wait for earlier ones."""
        still_open, done = self._open[partition], self._done[partition]
        done[offset] = still_open.pop(offset)
        first_open = min(still_open, default=None)
        for each in sorted(done):
            if first_open is not None and each > first_open:
                break
            self._acknowledge(done.pop(each))
