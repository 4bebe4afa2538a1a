"""How many exports are made side by side, and that large ones never take all slots."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.metrics import ExporterMetrics

# About a second's work. What has more rows must leave slots for those that have fewer.
LARGE_ROWS = 1_000_000


class Slots:
    """`count` exports at once. Large ones may use all slots but one, so that a small one never waits for large ones alone.

    With a `count` of 1 there is no slot to spare: large and small ones take turns.
    """

    def __init__(self, count: int, large_rows: int = LARGE_ROWS) -> None:
        self._large_rows = large_rows
        self._all = asyncio.Semaphore(count)
        self._for_large = asyncio.Semaphore(max(1, count - 1))

    def is_large(self, row_count: int) -> bool:
        return row_count > self._large_rows

    @asynccontextmanager
    async def one(self, metrics: ExporterMetrics) -> AsyncIterator[None]:
        """A slot, for whoever came first."""
        with metrics.phase("slot"):
            await self._all.acquire()
        try:
            yield
        finally:
            self._all.release()

    @asynccontextmanager
    async def one_for_large(self, metrics: ExporterMetrics) -> AsyncIterator[None]:
        """A slot for a long work. Whoever waits for it must hold no other slot."""
        with metrics.phase("slot"):
            await self._for_large.acquire()
        try:
            async with self.one(metrics):
                yield
        finally:
            self._for_large.release()
