"""The dashboard's page and its backend: GET for the state of the last export, for the newest movements and for what explains
one of them, POST for a click.

A browser on this machine visits other sites too, and none of them may click or read here. So the Host header must be this
machine's (against DNS rebinding), and a click must be JSON from a page of the same origin.
"""

import base64
import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from confluent_kafka import KafkaException
from yarl import URL

from credit_movements.dashboard.lines import explanation, newest_lines
from credit_movements.explain.explanation import NotExplainedError
from credit_movements.exports.request import request
from credit_movements.publishing.records import NotDeliveredError
from credit_movements.settings import Settings, required
from exporter.request.window import known_time_zones
from exporter.threads import in_thread
from kafka_io.errors import Outage
from schemas.ids import MOST_ID_CHARACTERS
from schemas.registry import RegistryUnavailableError

logger = logging.getLogger(__name__)

DASHBOARD_VARIABLE = "CREDIT_EMBEDDED_DASHBOARD"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HALF = re.compile("[\ud800-\udfff]")
_USER_ID = "dashboard"
_ANSWER_SECONDS = 30.0
_OUTAGES = (Outage, NotDeliveredError, KafkaException, RegistryUnavailableError)
_TRY_LATER = (
    "The export service cannot be reached at the moment. Please wait a few minutes and try again from the Dashboard."
)

Page = Callable[[web.Request], Awaitable[web.Response]]


class RefusedError(Exception):
    """A request that our own page would never send."""


def add_dashboard(settings: Settings, app: web.Application) -> None:
    """Add `/dashboard/` and its backend to the pages of an exporter on this machine. Raises SettingsError."""
    dashboard = Dashboard(settings)
    app.router.add_get("/dashboard", _to_the_page)
    app.router.add_get("/dashboard/", dashboard.guarded(dashboard.page))
    app.router.add_get("/dashboard/export", dashboard.guarded(dashboard.state))
    app.router.add_post("/dashboard/export", dashboard.guarded(dashboard.click))
    app.router.add_get("/dashboard/lines", dashboard.guarded(dashboard.lines))
    app.router.add_get("/dashboard/explanation", dashboard.guarded(dashboard.explanation))


async def _to_the_page(_: web.Request) -> web.Response:
    raise web.HTTPFound("/dashboard/")


class Dashboard:
    """`settings` are those of a running exporter with a status token, which its backend keeps to itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = required(settings, "export_status_token")
        self._status_url = f"http://127.0.0.1:{settings.export_http_port}/exports/"
        self._hosts = {f"{host}:{settings.export_http_port}" for host in _LOOPBACK}
        self._html = (files(__package__) / "page.html").read_text(encoding="utf-8")
        self._headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": _policy(self._html),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def guarded(self, page: Page) -> Page:
        async def answer(request: web.Request) -> web.Response:
            try:
                self._check_origin(request)
                response = await page(request)
            except RefusedError as refusal:
                logger.warning("the dashboard refused a request: %s", refusal)
                response = web.json_response({"error": str(refusal)}, status=403)
            response.headers.update(self._headers)
            return response

        return answer

    async def page(self, _: web.Request) -> web.Response:
        return web.Response(text=self._html, content_type="text/html", charset="utf-8")

    async def state(self, request: web.Request) -> web.Response:
        """What the exporter says of the last export of the account `?account=`."""
        account_id = _account_id(request.query.get("account"))
        headers = {"Authorization": f"Bearer {self._token}"}
        # aiohttp has decoded it: decoding it again could make another account of it.
        url = URL(self._status_url + quote(account_id, safe=""), encoded=True)
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_SECONDS)) as session,
                session.get(url, headers=headers) as answer,
            ):
                return web.json_response(await answer.json(), status=answer.status)
        except (aiohttp.ClientError, TimeoutError):
            return web.json_response({"error": _TRY_LATER}, status=503)

    async def click(self, clicked: web.Request) -> web.Response:
        """Publish one export request; answers when Kafka has it."""
        body = await self._body(clicked)
        account_id = _account_id(body.get("account"))
        zone = body.get("time_zone")
        # A browser may name a zone that is not in our list: an export in UTC is better than none.
        time_zone = zone if isinstance(zone, str) and zone in known_time_zones() else None
        try:
            record = await in_thread(request, self._settings, account_id, time_zone, _USER_ID)
        except _OUTAGES as error:
            logger.warning("a click could not be passed on: %s", error)
            return web.json_response({"error": _TRY_LATER}, status=503)
        return web.json_response({"export_id": record["request_id"]}, status=202)

    async def lines(self, request: web.Request) -> web.Response:
        """The newest movements of the account `?account=`."""
        account_id = _account_id(request.query.get("account"))
        return await self._looked_up(newest_lines, account_id)

    async def explanation(self, request: web.Request) -> web.Response:
        """Why the movement `?id=` of the account `?account=` is what it is."""
        account_id, zone = _account_id(request.query.get("account")), request.query.get("time_zone")
        time_zone = zone if zone in known_time_zones() else "UTC"
        return await self._looked_up(explanation, account_id, request.query.get("id", ""), time_zone)

    async def _looked_up(self, look_up: Callable[..., Any], *asked: str) -> web.Response:
        try:
            return web.json_response(await in_thread(look_up, self._settings, *asked))
        except NotExplainedError:
            return web.json_response({"error": "This account has no such movement."}, status=404)
        except _OUTAGES as error:
            logger.warning("a look-up could not be answered: %s", error)
            return web.json_response({"error": _TRY_LATER}, status=503)

    def _check_origin(self, request: web.Request) -> None:
        if request.host not in self._hosts:
            raise RefusedError("this page is for a browser on this machine alone")
        origin = request.headers.get("Origin")
        is_own = origin == f"http://{request.host}" if origin is not None else request.method != "POST"
        if not is_own:
            raise RefusedError("a click comes from the dashboard's own page")

    async def _body(self, request: web.Request) -> dict[str, Any]:
        if request.content_type != "application/json":
            raise RefusedError("a click is JSON")
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise RefusedError("a click is a JSON object")
        return body


def _account_id(given: object) -> str:
    # JSON can contain half a surrogate pair, which cannot be encoded as UTF-8.
    if not isinstance(given, str) or not 1 <= len(given) <= MOST_ID_CHARACTERS or _HALF.search(given):
        raise RefusedError(f"an account id has 1 to {MOST_ID_CHARACTERS} characters")
    return given


def _policy(html: str) -> str:
    """The policy allows only the scripts and styles of the page itself, by their hashes."""
    script, style = (
        base64.b64encode(hashlib.sha256(re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[0].encode()).digest())
        for tag in ("script", "style")
    )
    return (
        f"default-src 'none'; script-src 'sha256-{script.decode()}'; style-src 'sha256-{style.decode()}';"
        " img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
