"""Warns of a flood of dead letters: a publisher's release, a rate deck or a plan is wrong, and nobody may have noticed."""

import logging
from collections import Counter, deque
from collections.abc import Mapping

logger = logging.getLogger(__name__)

_WINDOW_EVENTS = 10_000
_FLOOD_SHARE = 0.5


class FloodWatch:
    """Looks at the last 10,000 events, or at the last batch if it has more. Logs once when more than half of them were refused,
    and once when that is over."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, Mapping[str, int]]] = deque()
        self.is_flood = False

    def note(self, consumed: int, refused: Mapping[str, int]) -> None:
        """Note a batch: how many events it had, and how many of them were refused, by reason."""
        self._batches.append((consumed, refused))
        total = sum(count for count, _ in self._batches)
        while total - self._batches[0][0] >= _WINDOW_EVENTS:
            total -= self._batches.popleft()[0]
        reasons = Counter[str]()
        for _, of_batch in self._batches:
            reasons.update(of_batch)
        was_flood, self.is_flood = self.is_flood, reasons.total() > total * _FLOOD_SHARE
        if self.is_flood and not was_flood and total:
            logger.error(
                "a flood of dead letters: %d of the last %d events were refused (%s)",
                reasons.total(),
                total,
                ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common()),
            )
        if was_flood and not self.is_flood:
            logger.warning(
                "the flood of dead letters is over: %d of the last %d events were refused", reasons.total(), total
            )
