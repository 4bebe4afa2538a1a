"""What a client may cost the pages: connections, time and memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from exporter.web.limits import MOST_BODY_BYTES, Connections, LimitedSite, limited_runner, most_connections

HALF = b"GET /quick HTTP/1.1\r\nHost: x\r\nX-Half: "
WHOLE = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = WHOLE.replace(b"quick", b"slow")
MOST = 8
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pages:
    """Two pages on a free port: one answers at once, one when it is let."""

    def __init__(self, request_seconds: float) -> None:
        self.request_seconds = request_seconds
        self.let = asyncio.Event()
        self.asked = asyncio.Semaphore(0)
        self.open: list[Connection] = []
        self.port = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Pages"]:
        app = web.Application(client_max_size=MOST_BODY_BYTES)
        app.router.add_route("*", "/quick", self._quick)
        app.router.add_get("/slow", self._slow)
        connections = Connections(MOST)
        connections.bound(app)
        runner = limited_runner(app, 0.1, self.request_seconds)
        await runner.setup()
        await LimitedSite(runner, "127.0.0.1", 0, connections).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            for _, writer in self.open:
                writer.transport.abort()
            await runner.cleanup()

    async def _quick(self, _: web.Request) -> web.Response:
        return web.Response(text="quick")

    async def _slow(self, _: web.Request) -> web.Response:
        self.asked.release()
        await self.let.wait()
        return web.Response(text="slow")

    async def send(self, data: bytes) -> Connection:
        connection = await asyncio.open_connection("127.0.0.1", self.port)
        self.open.append(connection)
        connection[1].write(data)
        return connection

    async def status(self, data: bytes) -> int:
        """0 where the connection is closed without an answer."""
        return await status_of(await self.send(data))


async def status_of(connection: Connection) -> int:
    try:
        line = await connection[0].readline()
    except ConnectionError:
        return 0
    return int(line.split()[1]) if line else 0


def on_pages(test: Callable[[Pages], Awaitable[None]], request_seconds: float = 30.0) -> None:
    async def run() -> None:
        async with Pages(request_seconds).served() as pages:
            await asyncio.wait_for(test(pages), 25)

    asyncio.run(run())


def test_who_sends_half_a_request_gives_way_to_who_sends_a_whole_one() -> None:
    async def test(pages: Pages) -> None:
        halves = [await pages.send(HALF) for _ in range(5 * MOST)]
        for _ in range(2 * MOST):
            assert await pages.status(WHOLE) == 200
        assert [await status_of(each) for each in halves] == [0] * len(halves)

    on_pages(test)


def test_an_answer_under_way_is_never_given_up_for_a_new_connection() -> None:
    async def test(pages: Pages) -> None:
        answered = [await pages.send(SLOW) for _ in range(MOST)]
        for _ in answered:
            await pages.asked.acquire()
        assert await pages.status(WHOLE) == 0
        pages.let.set()
        assert [await status_of(each) for each in answered] == [200] * MOST
        assert await pages.status(WHOLE) == 200

    on_pages(test)


@pytest.mark.parametrize(
    "begun", [b"", b"G", HALF, WHOLE + HALF], ids=["nothing", "a letter", "half", "one and a half"]
)
def test_half_a_request_is_dropped_after_its_time_however_it_drops_in(begun: bytes) -> None:
    async def test(pages: Pages) -> None:
        reader, writer = await pages.send(begun)
        dropping = asyncio.create_task(drip(writer))
        # Closed while a drop was under way, it is reset.
        with suppress(ConnectionError):
            await reader.read()
        dropping.cancel()

    on_pages(test, request_seconds=0.5)


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /quick HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n", 400),
        (b"GET /quick HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 1000 + b"\r\n", 400),
        (b"GET /quick?" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000, 413),
    ],
    ids=["a header", "headers", "a path", "a body"],
)
def test_what_is_too_long_is_refused(request_: bytes, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def test(pages: Pages) -> None:
        assert await pages.status(request_) == status
        assert await pages.status(WHOLE) == 200

    on_pages(test)
    assert caplog.text == ""


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.limits.REQUEST_SECONDS", 0.2)

    async def test(pages: Pages) -> None:
        assert await pages.status(b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx") == 408

    on_pages(test, request_seconds=0.2)


def test_the_pages_take_a_quarter_of_the_files_that_the_process_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1024, 256), (256, 64), (1_000_000, 512), (-1, 512)):
        monkeypatch.setattr("resource.getrlimit", lambda _, files=files: (files, files))
        assert most_connections() == most
