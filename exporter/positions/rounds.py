"""Asks Kafka for many at once: all who wait share one round of questions, however many they are.

1. Who asks while a round is under way joins the next round. So each answer was read after its question was asked.
2. A round asks once, for all partitions that somebody in it wants.
3. A round that fails fails for those in it. Who asks after that is in another round.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from exporter.threads import in_thread

Answer = TypeVar("Answer")
AskAll = Callable[[Collection[int]], Mapping[int, Answer]]
"""Gives the answer for each of these partitions. Blocks, and may raise outages."""


class _Round(Generic[Answer]):
    """`partitions` grows until the round begins."""

    def __init__(self) -> None:
        self.partitions: set[int] = set()
        self.answers: asyncio.Task[Mapping[int, Answer]] | None = None


class Rounds(Generic[Answer]):
    """For one event loop. `ask_all` is never called twice at a time."""

    def __init__(self, ask_all: AskAll[Answer]) -> None:
        self._ask_all = ask_all
        self._last: _Round[Answer] | None = None
        self._open: _Round[Answer] | None = None

    async def answer(self, partition: int) -> Answer:
        """The answer for a partition, read after this call. Raises what the round raises."""
        if self._open is None:
            self._open = _Round()
            self._open.answers = asyncio.create_task(self._held(self._open, self._last))
        joined = self._open
        joined.partitions.add(partition)
        assert joined.answers is not None
        # Others wait for the same round, so the end of one who waits must not end it.
        return (await asyncio.shield(joined.answers))[partition]

    async def _held(self, this: _Round[Answer], before: _Round[Answer] | None) -> Mapping[int, Answer]:
        if before is not None and before.answers is not None:
            await asyncio.wait([before.answers])
        self._open, self._last = None, this
        return await in_thread(self._ask_all, frozenset(this.partitions))
