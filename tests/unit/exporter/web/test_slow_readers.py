"""A reader of a download who takes nothing: it holds its connection for a while only."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from exporter.storage.keys import ExportKeys
from exporter.storage.links import Link, LinkSigner
from exporter.storage.objects import ExportStorage
from exporter.web.downloads import DownloadPage
from exporter.web.limits import limited_runner
from exporter.web.pages import add_pages

SIGNER = LinkSigner(b"a secret of at least thirty-two bytes")
KEYS = ExportKeys.of("acme", "1")
# More than the buffers of both ends hold.
SIZE_BYTES = 32 * 1024 * 1024


def test_a_reader_who_takes_nothing_is_broken_off_and_one_who_takes_little_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = ExportStorage.open(f"file://{tmp_path}")
    storage.put_stream(KEYS.file, [b"x" * SIZE_BYTES])
    with caplog.at_level(logging.WARNING):
        stalled, slow = asyncio.run(asyncio.wait_for(read_by_two(storage), 30))
    assert stalled < SIZE_BYTES
    assert slow == SIZE_BYTES
    assert [record.getMessage() for record in caplog.records] == [
        "a download broke off: its reader took less than 256 KiB in 2 s"
    ]


async def read_by_two(storage: ExportStorage) -> tuple[int, int]:
    """How much two readers got: the one waits for some seconds first, the other waits a little again and again."""
    app = web.Application()
    page = DownloadPage(storage, SIGNER, lambda: 0, timedelta(minutes=5), slice_seconds=2.0)
    add_pages(app, page, [], {}, CollectorRegistry())
    runner = limited_runner(app, 0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        return tuple(await asyncio.gather(read(port, [4.5]), read(port, [0.2] * 5)))  # type: ignore[return-value]
    finally:
        await runner.cleanup()


async def read(port: int, waits: list[float]) -> int:
    """The length of the body that came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    target = SIGNER.path(Link(KEYS.file, "acme", "1", "x.csv", expires_at_micros=1))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    size_bytes = 0
    with suppress(ConnectionError):
        for wait in waits:
            await asyncio.sleep(wait)
            size_bytes += len(await reader.read(4 * 1024 * 1024))
        while piece := await reader.read(4 * 1024 * 1024):
            size_bytes += len(piece)
    writer.close()
    return size_bytes
