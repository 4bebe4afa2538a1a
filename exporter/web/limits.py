"""What a client may cost the exporter's pages: connections, time and memory. aiohttp bounds headers alone.

A process may open a fixed number of files, often 1,024, and an export needs some of them too. So the pages take a quarter at
most. Beyond that the connection goes that waits longest without a whole request: who sends half a request gives way to who
sends a whole one, and an answer under way stays.
"""

import asyncio
import logging
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

# For a whole request's head, and for the next one on the same connection. It is so from the first byte on: drops of a header do
# not make it longer.
REQUEST_SECONDS = 10.0
MOST_BODY_BYTES = 16 * 1024
_MOST_HEADERS = 64
_MOST_HEADER_BYTES = 8190
_MOST_CONNECTIONS = 512

_logger = logging.getLogger("exporter.web.server")
# A malformed request is the client's fault, no bug of ours; and its text may be a link.
_logger.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def most_connections() -> int:
    """How many the pages take: a quarter of the files that this process may open, 512 at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, max(1, soft // 4))


def limited_runner(
    app: web.Application, shutdown_seconds: float, request_seconds: float = REQUEST_SECONDS
) -> web.AppRunner:
    """Serves `app` with bounds on headers and on silence, and without an access log, which would show the links."""
    return web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=shutdown_seconds,
        logger=_logger,
        keepalive_timeout=request_seconds,
        lingering_time=request_seconds,
        max_line_size=_MOST_HEADER_BYTES,
        max_field_size=_MOST_HEADER_BYTES,
        max_headers=_MOST_HEADERS,
    )


@dataclass(eq=False)
class Connections:
    """All open connections, the one that is without a whole request for longest first."""

    most: int
    _open: dict[object, asyncio.Transport] = field(default_factory=dict)
    _answering: set[object] = field(default_factory=set)

    def opened(self, handler: object, transport: asyncio.Transport) -> None:
        self._open[handler] = transport
        waiting = (each for each in self._open if each not in self._answering)
        # The new one itself is the last that goes.
        for each in list(islice(waiting, max(0, len(self._open) - self.most))):
            # `close` would wait until a reader who does not read has read.
            self._open.pop(each).abort()

    def closed(self, handler: object) -> None:
        self._open.pop(handler, None)

    @contextmanager
    def answering(self, handler: object) -> Iterator[None]:
        self._answering.add(handler)
        try:
            yield
        finally:
            self._answering.discard(handler)
            if handler in self._open:
                self._open[handler] = self._open.pop(handler)

    def bound(self, app: web.Application) -> None:
        """Have the application say which connections it is answering; it reads a request's body first, within its bounds."""

        @web.middleware
        async def noted(request: web.Request, handler: _Handler) -> web.StreamResponse:
            with self.answering(request.protocol):
                return await handler(request)

        app.middlewares[:0] = [noted, _body_in_time]


@web.middleware
async def _body_in_time(request: web.Request, handler: _Handler) -> web.StreamResponse:
    if request.body_exists:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
    return await handler(request)


class LimitedSite(web.BaseSite):
    """Where a `limited_runner` listens, as long as `connections` has room."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, connections: Connections) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._connections = connections

    @property
    def name(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self._host, self._port, backlog=self._backlog)

    def _connection(self) -> asyncio.Protocol:
        assert self._runner.server is not None
        return _Connection(self._runner.server(), self._connections)


class _Connection(asyncio.Protocol):
    """aiohttp's own protocol, and a note of when the connection is made and lost."""

    def __init__(self, handler: asyncio.Protocol, connections: Connections) -> None:
        self._handler = handler
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._handler.connection_made(transport)
        self._connections.opened(self._handler, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.closed(self._handler)
        self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()
