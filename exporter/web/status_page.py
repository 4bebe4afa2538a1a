"""GET `/exports/<account id>`: the state of the account's last export, for the dashboard, behind a bearer token.

The answer holds the download link: neither it nor the token is ever logged.
"""

import hmac
import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web

from exporter.threads import in_thread
from kafka_io.errors import Outage
from schemas.ids import MOST_ID_CHARACTERS

logger = logging.getLogger(__name__)

# One segment and nothing after it: a slash in an account id comes as %2F.
_TARGET = re.compile(r"/exports/([^/?#]+)")
_RETRY_SECONDS = "5"


class StatusPage:
    """`status` gives the answer for an account; it blocks, and may raise outages."""

    def __init__(self, status: Callable[[str], dict[str, Any]], token: bytes) -> None:
        self._status = status
        self._token = token

    async def answer(self, request: web.Request) -> web.Response:
        """200 with the state; 400 no account id, 401 no token or a wrong one, 503 an outage."""
        if not _carries(request, self._token):
            return _json(401, {"error": "a bearer token is needed"}, {"WWW-Authenticate": 'Bearer realm="exports"'})
        # The path exactly as it came, decoded only here: routers treat %2F and dots in their own ways.
        target = _TARGET.fullmatch(request.raw_path)
        account_id = _account_id(target[1]) if target is not None else None
        if account_id is None:
            return _json(400, {"error": "one account id of 1 to 128 characters, percent-encoded UTF-8, is needed"})
        try:
            return _json(200, await in_thread(self._status, account_id))
        except Outage as error:
            logger.warning("the state of an export cannot be read: %s", error)
            return _json(503, {"error": "temporarily unavailable"}, {"Retry-After": _RETRY_SECONDS})


def _carries(request: web.Request, token: bytes) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # A header may hold bytes that are no UTF-8. aiohttp gives them as surrogates.
    return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(errors="surrogateescape"), token)


def _account_id(encoded: str) -> str | None:
    try:
        account_id = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return None
    return account_id if 1 <= len(account_id) <= MOST_ID_CHARACTERS else None


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
