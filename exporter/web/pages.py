"""All pages of the exporter: health, readiness, metrics, downloads, and the state of exports."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from exporter.threads import in_thread
from exporter.web.downloads import DownloadPage
from exporter.web.status_page import StatusPage

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 3.0

ReadinessCheck = Callable[[], str | None]
"""None if all is well, else what is not, in words. May block; must not raise."""


class Readiness:
    """Asks all checks at once. A check that hangs is not asked again until it has answered."""

    def __init__(self, checks: Mapping[str, ReadinessCheck]) -> None:
        self._checks = checks
        self._asked: dict[str, asyncio.Task[str | None]] = {}

    async def reasons(self) -> dict[str, str]:
        """What is not well, by the check's name; empty if all is."""
        for name, check in self._checks.items():
            if name not in self._asked:
                self._asked[name] = asyncio.create_task(in_thread(check))
        asked = dict(self._asked)
        await asyncio.wait(asked.values(), timeout=_CHECK_SECONDS)
        answers = {name: self._answer(name, task) for name, task in asked.items()}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def _answer(self, name: str, task: asyncio.Task[str | None]) -> str | None:
        if not task.done():
            return f"no answer within {_CHECK_SECONDS:g} s"
        self._asked.pop(name, None)
        return task.result()


def add_pages(
    app: web.Application,
    downloads: DownloadPage,
    status: StatusPage | None,
    checks: Mapping[str, ReadinessCheck],
    registry: CollectorRegistry,
) -> None:
    """Add `/healthz`, `/readyz`, `/metrics`, `/downloads/...` and, if any, `/exports/...` to a web application."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    readiness = Readiness(checks)

    async def readyz(_: web.Request) -> web.Response:
        reasons = await readiness.reasons()
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
    if status is not None:
        app.router.add_get("/exports/{account:.*}", status.answer)
