"""The dashboard's page and its backend: GET for the state of the last export, for where the credit went, for movements and for
what explains one of them, POST for a click.

A browser on this machine visits other sites too, and none of them may click or read here. So the Host header must be this
machine's (against DNS rebinding), and a click must be JSON from a page of the same origin.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from confluent_kafka import KafkaException
from yarl import URL

from credit_movements.dashboard.alerts import newest_alerts
from credit_movements.dashboard.lines import explanation, newest_lines
from credit_movements.dashboard.questions import (
    BadQuestionError,
    RefusedError,
    account_of,
    movements_of,
    only_of,
    period_of,
    time_zone_of,
)
from credit_movements.dashboard.spending import balance, spent
from credit_movements.dashboard.static import ServedFile, served_files
from credit_movements.explain.explanation import NotExplainedError
from credit_movements.exports.request import request
from credit_movements.publishing.records import NotDeliveredError
from credit_movements.settings import Settings, required
from exporter.threads import in_thread
from kafka_io.errors import Outage
from schemas.registry import RegistryUnavailableError

logger = logging.getLogger(__name__)

DASHBOARD_VARIABLE = "CREDIT_EMBEDDED_DASHBOARD"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_USER_ID = "dashboard"
_ANSWER_SECONDS = 30.0
_OUTAGES = (Outage, NotDeliveredError, KafkaException, RegistryUnavailableError)
_TRY_LATER = (
    "The export service cannot be reached at the moment. Please wait a few minutes and try again from the Dashboard."
)

# Scripts, styles and data come from this page's own files and backend alone. Whatever else this origin serves is sent with
# `nosniff` and a type that no browser runs.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Page = Callable[[web.Request], Awaitable[web.Response]]


def add_dashboard(settings: Settings, app: web.Application) -> None:
    """Add `/dashboard/` and its backend to the pages of an exporter on this machine. Raises SettingsError."""
    dashboard = Dashboard(settings)
    app.router.add_get("/dashboard", _to_the_page)
    for name, file in served_files().items():
        app.router.add_get(f"/dashboard/{name}", dashboard.guarded(_page_of(file)))
    app.router.add_get("/dashboard/balance", dashboard.guarded(dashboard.balance))
    app.router.add_get("/dashboard/spending", dashboard.guarded(dashboard.spending))
    app.router.add_get("/dashboard/export", dashboard.guarded(dashboard.state))
    app.router.add_post("/dashboard/export", dashboard.guarded(dashboard.click))
    app.router.add_get("/dashboard/alerts", dashboard.guarded(dashboard.alerts))
    app.router.add_get("/dashboard/lines", dashboard.guarded(dashboard.lines))
    app.router.add_get("/dashboard/explanation", dashboard.guarded(dashboard.explanation))


async def _to_the_page(_: web.Request) -> web.Response:
    raise web.HTTPFound("/dashboard/")


def _page_of(file: ServedFile) -> Page:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=file.text, content_type=file.content_type, charset="utf-8")

    return page


class Dashboard:
    """`settings` are those of a running exporter with a status token, which its backend keeps to itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = required(settings, "export_status_token")
        self._status_url = f"http://127.0.0.1:{settings.export_http_port}/exports/"
        self._hosts = {f"{host}:{settings.export_http_port}" for host in _LOOPBACK}

    def guarded(self, page: Page) -> Page:
        async def answer(request: web.Request) -> web.Response:
            try:
                self._check_origin(request)
                response = await page(request)
            except RefusedError as refusal:
                logger.warning("the dashboard refused a request: %s", refusal)
                response = web.json_response({"error": str(refusal)}, status=403)
            except BadQuestionError as error:
                response = web.json_response({"error": str(error)}, status=400)
            response.headers.update(_HEADERS)
            return response

        return answer

    async def state(self, request: web.Request) -> web.Response:
        """What the exporter says of the last export of the account `?account=`."""
        account_id = account_of(request.query.get("account"))
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
        account_id = account_of(body.get("account"))
        time_zone = time_zone_of(body.get("time_zone"))
        try:
            record = await in_thread(request, self._settings, account_id, time_zone, _USER_ID)
        except _OUTAGES as error:
            logger.warning("a click could not be passed on: %s", error)
            return web.json_response({"error": _TRY_LATER}, status=503)
        return web.json_response({"export_id": record["request_id"]}, status=202)

    async def spending(self, request: web.Request) -> web.Response:
        """Where the credit of the account `?account=` went in the days from `?from=` to `?to=`."""
        account_id, period = account_of(request.query.get("account")), period_of(request.query)
        return await self._looked_up(spent, account_id, period, only_of(request.query))

    async def balance(self, request: web.Request) -> web.Response:
        """The balance of the account `?account=`."""
        return await self._looked_up(balance, account_of(request.query.get("account")))

    async def alerts(self, request: web.Request) -> web.Response:
        """What the account `?account=` was told of its credit."""
        return await self._looked_up(newest_alerts, account_of(request.query.get("account")))

    async def lines(self, request: web.Request) -> web.Response:
        """The newest movements of the account `?account=`; see `movements_of` for which."""
        return await self._looked_up(newest_lines, movements_of(request.query))

    async def explanation(self, request: web.Request) -> web.Response:
        """Why the movement `?id=` of the account `?account=` is what it is."""
        account_id, zone = account_of(request.query.get("account")), time_zone_of(request.query.get("time_zone"))
        return await self._looked_up(explanation, account_id, request.query.get("id", ""), zone or "UTC")

    async def _looked_up(self, look_up: Callable[..., Any], *asked: Any) -> web.Response:
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
