"""The exporter's work on the records of its partitions: many at a time, begun and acknowledged in the order of the log."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from exporter.faust_app import FaustEvent
from exporter.handler import RequestHandler
from exporter.in_order import InOrderAcks
from exporter.intake import Intake, RawRequest
from exporter.requests import ExportRequest, LogPlace

logger = logging.getLogger(__name__)

# Repeats wait for the export that answers them, so there can be many more requests in hand than exports.
_MAX_REQUESTS_IN_HAND = 4096

T = TypeVar("T")


class Worker:
    """`on_bug` is told of what should not have happened: it must end the process, and nothing more is acknowledged."""

    def __init__(
        self, log_id: str, intake: Intake, handler: RequestHandler, on_bug: Callable[[BaseException], None]
    ) -> None:
        self._log_id = log_id
        self._intake = intake
        self._handler = handler
        self._on_bug = on_bug
        self._acks: InOrderAcks[FaustEvent] = InOrderAcks(lambda event: event.ack())
        self._room = asyncio.Semaphore(_MAX_REQUESTS_IN_HAND)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def take(self, event: FaustEvent) -> None:
        """Begin the work for a record; returns when the next one may begin, long before this one is done. Never raises: Faust
        would go on with the next record."""
        message = event.message
        raw = RawRequest(
            LogPlace(self._log_id, message.partition, message.offset),
            # Faust gives seconds, as a float that was made of whole milliseconds, or None where the record has no time.
            sent_at_ms=-1 if message.timestamp is None else round(message.timestamp * 1000),
            key=message.key,
            value=message.value,
        )
        if not self._acks.begin(message.partition, message.offset, event):
            return
        await self._room.acquire()
        # Read one by one: what follows is begun in the order of the log.
        reading = self._begin(self._intake.read(raw))
        await asyncio.wait({reading})
        self._begin(self._work(raw.place, reading)).add_done_callback(self._ended)

    async def abandon(self) -> None:
        """Stop all work where it is. Nothing of it is acknowledged, so whoever reads the log next takes it up again."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            logger.info("%d requests are left for the next start", len(tasks))

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self, place: LogPlace, reading: asyncio.Task[ExportRequest | None]) -> None:
        request = reading.result()
        if request is not None:
            await self._handler.handle(request)
        self._acks.done(place.partition, place.offset)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._room.release()
        if not work.cancelled() and (bug := work.exception()) is not None:
            self._on_bug(bug)
