"""All pages of the exporter: health, readiness, metrics, downloads, and the state of exports."""

from collections.abc import Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from exporter.web.downloads import DownloadPage
from exporter.web.readiness import Readiness, ReadinessCheck
from exporter.web.status_page import StatusPage


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
