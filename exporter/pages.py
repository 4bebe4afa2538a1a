"""The web pages beside the downloads: is the process alive, is it ready to work, what has it counted."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from exporter.downloads import DownloadPage
from exporter.threads import in_thread

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 3.0

ReadinessCheck = Callable[[], str | None]
"""None if all is well, else what is not, in words. May block; must not raise."""


def add_pages(
    app: web.Application, downloads: DownloadPage, checks: Mapping[str, ReadinessCheck], registry: CollectorRegistry
) -> None:
    """Add `/healthz`, `/readyz`, `/metrics` and `/downloads/...` to a web application."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        reasons = await _reasons(checks)
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    for path, page in (
        ("/healthz", healthz),
        ("/readyz", readyz),
        ("/metrics", metrics),
        ("/downloads/{link:.*}", downloads.answer),
    ):
        app.router.add_get(path, page)


async def _reasons(checks: Mapping[str, ReadinessCheck]) -> dict[str, str]:
    answers = await asyncio.gather(*(_answer(check) for check in checks.values()))
    return {name: answer for name, answer in zip(checks, answers, strict=True) if answer is not None}


async def _answer(check: ReadinessCheck) -> str | None:
    try:
        return await asyncio.wait_for(in_thread(check), _CHECK_SECONDS)
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
