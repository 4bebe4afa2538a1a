"""What all pages have in common: the headers of their answers."""

import asyncio
from datetime import timedelta

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from exporter.storage.links import LinkSigner
from exporter.storage.objects import ExportStorage
from exporter.web.downloads import DownloadPage
from exporter.web.pages import add_pages
from exporter.web.status_page import StatusPage

SECRET = b"a secret of at least thirty-two bytes"
# What a proxy may say, or anybody who wants a link or a redirect to lead to another place.
FORGED = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}


def test_every_answer_says_that_no_copy_is_kept_and_no_other_site_is_told() -> None:
    paths = (
        "/healthz",
        "/readyz",
        "/metrics",
        "/downloads/x",
        "/exports/acme",
        "/exports/a%0Ab",
        "/nothing",
        "/dashboard",
    )
    answers = asyncio.run(asyncio.wait_for(answered(*paths), 20))
    assert [status for status, _, _ in answers] == [200, 200, 200, 403, 401, 401, 404, 404]
    for _, headers, body in answers:
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "private, no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Server"] == "credit-movements"
        assert "evil.example" not in f"{headers} {body}"


async def answered(*paths: str) -> list[tuple[int, dict[str, str], str]]:
    app = web.Application()
    page = DownloadPage(ExportStorage.open("memory:///"), LinkSigner(SECRET), lambda: 0, timedelta(minutes=5))
    add_pages(app, page, [StatusPage(lambda _: {}, SECRET)], {"all": lambda: None}, CollectorRegistry())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            return [await one(client, path) for path in paths]
    finally:
        await runner.cleanup()


async def one(client: aiohttp.ClientSession, path: str) -> tuple[int, dict[str, str], str]:
    async with client.get(path, headers=FORGED, allow_redirects=False) as answer:
        return answer.status, dict(answer.headers), await answer.text()
