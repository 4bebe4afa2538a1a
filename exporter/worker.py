"""The exporter's worker: takes many records at a time, and begins and acknowledges them in the order of the log.

It parses each record. A request goes to the `handler`; a record that is no request is dead-lettered, and its account notified.
Then the worker acknowledges the record.
"""

import asyncio
import logging
from collections.abc import Callable

from exporter.faust_app import FaustEvent
from exporter.handler import RequestHandler
from exporter.in_order import InOrderAcks
from exporter.notify.dead_letters import DeadLetters
from exporter.outages import waited_out
from exporter.request.parsing import RawRequest, RequestParser
from exporter.request.requests import BadRequest, RequestPosition
from exporter.threads import in_thread

logger = logging.getLogger(__name__)

# Repeats wait for the export that answers them, so there can be many more requests in hand than exports.
_MAX_REQUESTS_IN_HAND = 4096


class Worker:
    """`log_id` identifies `export-requests`. `on_bug` gets an error that should not have happened: it must end the process, so
    that nothing more is acknowledged."""

    def __init__(
        self,
        log_id: str,
        parser: RequestParser,
        dead_letters: DeadLetters,
        handler: RequestHandler,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._log_id = log_id
        self._parser = parser
        self._dead_letters = dead_letters
        self._handler = handler
        self._on_bug = on_bug
        self._acks: InOrderAcks[FaustEvent] = InOrderAcks(lambda event: event.ack())
        self._room = asyncio.Semaphore(_MAX_REQUESTS_IN_HAND)
        self._works: set[asyncio.Task[None]] = set()

    async def take(self, event: FaustEvent) -> None:
        """Begin the work for a record; returns when the next one may begin, long before this one is done.

        Never raises: Faust would go on with the next record.
        """
        await self._room.acquire()
        if not self._acks.begin(event.message.partition, event.message.offset, event):
            self._room.release()
            return
        is_read = asyncio.Event()
        work = asyncio.create_task(self._work(self._raw(event), is_read))
        self._works.add(work)
        work.add_done_callback(self._ended)
        # Records are parsed one by one, so that the decisions on an account's requests queue up in the order of the log.
        await is_read.wait()

    async def abandon(self) -> None:
        """Stop all work where it is. Nothing of it is acknowledged, so the next start takes it up again."""
        works = list(self._works)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        if works:
            logger.info("%d requests are left for the next start", len(works))

    def _raw(self, event: FaustEvent) -> RawRequest:
        message = event.message
        return RawRequest(
            RequestPosition(self._log_id, message.partition, message.offset),
            # Faust gives seconds as a float, made of whole milliseconds, or None where the record has no time.
            sent_at_ms=-1 if message.timestamp is None else round(message.timestamp * 1000),
            key=message.key,
            value=message.value,
        )

    async def _work(self, raw: RawRequest, is_read: asyncio.Event) -> None:
        try:
            request = await waited_out(lambda: in_thread(self._parser.parse, raw), "a request cannot be read")
        finally:
            is_read.set()
        if isinstance(request, BadRequest):
            await self._refuse(raw, request)
        else:
            await self._handler.handle(request)
        self._acks.done(raw.position.partition, raw.position.offset)

    async def _refuse(self, raw: RawRequest, bad: BadRequest) -> None:
        await self._dead_letters.publish(raw, bad)
        if bad.asked is not None:
            await self._handler.refuse(bad.asked)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._works.discard(work)
        self._room.release()
        if not work.cancelled() and (bug := work.exception()) is not None:
            self._on_bug(bug)
