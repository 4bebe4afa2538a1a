"""All pages of the exporter: health, readiness, metrics, downloads, and what is told of an account."""

from collections.abc import Mapping, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from exporter.web.account_page import AccountPage
from exporter.web.downloads import DownloadPage
from exporter.web.readiness import Readiness, ReadinessCheck

# Of every answer, unless its page says otherwise. A link is a secret: no copy of an answer is kept, and no other site is told
# where the reader came from. None of our pages but the dashboard's loads anything, or belongs into a frame.
_ALWAYS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# aiohttp would name itself, Python and their versions.
_SERVER = "credit-movements"
# An account id may have a line break, which `.` is not.
_ANY = r"[\s\S]*"


def add_pages(
    app: web.Application,
    downloads: DownloadPage,
    accounts: Sequence[AccountPage],
    checks: Mapping[str, ReadinessCheck],
    registry: CollectorRegistry,
) -> None:
    """Add `/healthz`, `/readyz`, `/metrics`, `/downloads/...` and the pages about one account to a web application."""

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
        (f"/downloads/{{link:{_ANY}}}", downloads.answer),
    ):
        app.router.add_get(path, page)
    app.on_response_prepare.append(_add_headers)
    for each in accounts:
        app.router.add_get(f"/{each.name}/{{account:{_ANY}}}", each.answer)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, text in _ALWAYS.items():
        response.headers.setdefault(name, text)
    response.headers["Server"] = _SERVER
