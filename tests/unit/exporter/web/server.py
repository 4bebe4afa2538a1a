"""The exporter's pages about an account over HTTP, and nothing else of an exporter."""

import asyncio
import http.client
import json
import threading
from datetime import timedelta
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from exporter.storage.links import LinkSigner
from exporter.storage.objects import ExportStorage
from exporter.web.account_page import AccountPage
from exporter.web.downloads import DownloadPage
from exporter.web.pages import add_pages
from tests.conftest import free_port

TOKEN = b"a token of at least thirty-two bytes"


class Server:
    """The exporter's pages in a thread of their own."""

    def __init__(self, *pages: AccountPage) -> None:
        self.port = free_port()
        self._pages = pages
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        downloads = DownloadPage(
            ExportStorage.open("memory:///"), LinkSigner(b"x" * 32), lambda: 0, timedelta(minutes=5)
        )
        add_pages(app, downloads, self._pages, {}, CollectorRegistry())
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    def get(self, target: str, authorization: str | None = f"Bearer {TOKEN.decode()}") -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", target, headers={"Authorization": authorization} if authorization else {})
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, answer.headers, json.loads(body) if body[:1] == b"{" else body
        finally:
            connection.close()
