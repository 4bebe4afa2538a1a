"""A page about one account, `/<name>/<account id>`, behind a bearer token. The answers are JSON, and are never logged."""

import hmac
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from aiohttp import web

from exporter.spending.question import BadQuestionError
from exporter.threads import in_thread
from kafka_io.errors import Outage
from schemas.ids import MOST_ID_CHARACTERS

logger = logging.getLogger(__name__)

# One segment, and parameters: a slash in an account id comes as %2F.
_TARGET: Final = r"/{name}/([^/?#]+)(?:\?([^#]*))?"
_RETRY_SECONDS: Final = "5"
_MOST_PARAMETERS: Final = 16

Answer = Callable[[str, Mapping[str, str]], dict[str, Any]]
"""Gives the answer for an account and parameters, each of which came once. It blocks, and may raise outages and
BadQuestionError."""


class AccountPage:
    """`name`: the path's first segment."""

    def __init__(self, name: str, answer: Answer, token: bytes, takes_parameters: bool = True) -> None:
        self.name = name
        self._answer = answer
        self._token = token
        self._takes_parameters = takes_parameters
        self._target = re.compile(_TARGET.format(name=re.escape(name)))

    async def answer(self, request: web.Request) -> web.Response:
        """200 with the answer; 400 no account id or a wrong parameter, 401 no token or a wrong one, 503 an outage."""
        if not _carries(request, self._token):
            realm = {"WWW-Authenticate": f'Bearer realm="{self.name}"'}
            return _json(401, {"error": "a bearer token is needed"}, realm)
        # The path exactly as it came, decoded only here: routers treat %2F and dots in their own ways.
        target = self._target.fullmatch(request.raw_path)
        account_id = _account_id(target[1]) if target is not None else None
        if target is None or account_id is None or not (self._takes_parameters or target[2] is None):
            return _json(400, {"error": "one account id of 1 to 128 characters, percent-encoded UTF-8, is needed"})
        try:
            return _json(200, await in_thread(self._answer, account_id, _parameters(target[2] or "")))
        except BadQuestionError as error:
            return _json(400, {"error": f"{error.name}: {error}"})
        except Outage as error:
            logger.warning("/%s cannot be answered: %s", self.name, error)
            return _json(503, {"error": "temporarily unavailable"}, {"Retry-After": _RETRY_SECONDS})


def _parameters(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise BadQuestionError("parameters", "must be few, and percent-encoded UTF-8") from None
    for name, _ in pairs:
        if sum(other == name for other, _ in pairs) > 1:
            raise BadQuestionError(name, "may be given once")
    return dict(pairs)


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
