"""Limits how many files are made side by side, and keeps large ones from taking all slots."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.metrics import ExporterMetrics

# About a second's work. Exports with more rows must leave a slot for those with fewer.
LARGE_ROWS = 1_000_000


class Slots:
    """`count` exports at once. Large ones may use all slots but one, so that a small one never waits for large ones alone.

    With a `count` of 1 there is no slot to spare: large and small ones take turns.
    """

    def __init__(self, count: int, large_rows: int = LARGE_ROWS) -> None:
        self._large_rows = large_rows
        self._many_waiting = 2 * count
        self._waiting = 0
        self._all = asyncio.Semaphore(count)
        self._for_large = asyncio.Semaphore(max(1, count - 1))

    def is_large(self, row_count: int) -> bool:
        return row_count > self._large_rows

    @property
    def many_wait(self) -> bool:
        """So many wait for a slot that all slots will have work for a while."""
        return self._waiting >= self._many_waiting

    @asynccontextmanager
    async def one(self, metrics: ExporterMetrics) -> AsyncIterator[None]:
        """Wait for a slot, first come, first served."""
        self._waiting += 1
        try:
            with metrics.phase("slot"):
                await self._all.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._all.release()

    @asynccontextmanager
    async def one_for_large(self, metrics: ExporterMetrics) -> AsyncIterator[None]:
        """Wait for a slot of those for large exports. Hold no other slot meanwhile."""
        with metrics.phase("slot"):
            await self._for_large.acquire()
        try:
            async with self.one(metrics):
                yield
        finally:
            self._for_large.release()
