"""`/exports/<account>` over HTTP: who may ask, what an account id is on the way, and what is never written down."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.foreign_outages import KafkaUnavailableError
from exporter.storage.objects import StorageUnavailableError
from exporter.web.status_page import StatusPage
from tests.unit.exporter.web.server import TOKEN, Server

OUTAGES = {"no storage": StorageUnavailableError("away"), "no kafka": KafkaUnavailableError("no answer")}


def status(account_id: str) -> dict[str, Any]:
    if account_id in OUTAGES:
        raise OUTAGES[account_id]
    return {"account_id": account_id, "download_url": "https://example.com/downloads/a-key/f.csv"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(StatusPage(status, TOKEN)) as running:
        yield running


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN.decode()}",
        TOKEN.decode(),
        f"Bearer {TOKEN.decode()[:-1]}",
        f"Bearer {TOKEN.decode()}x",
        f"Bearer {TOKEN.decode().upper()}",
        "Bearer ü",
    ],
)
def test_without_the_token_there_is_no_answer(server: Server, authorization: str | None) -> None:
    code, headers, body = server.get("/exports/acme", authorization)
    assert code == 401
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert headers["Cache-Control"] == "private, no-store"
    assert "account_id" not in body


def test_the_answer_is_kept_nowhere(server: Server) -> None:
    code, headers, body = server.get("/exports/acme")
    assert (code, body["account_id"]) == (200, "acme")
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("private, no-store", "nosniff")
    assert headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("encoded", "account_id"),
    [
        ("..%2Fb", "../b"),
        ("%2E%2E%2F%2E%2E%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("a%252F", "a%2F"),
        ("a%2F", "a/"),
        ("%C5%BB%C3%B3%C5%82w%20%26%20%F0%9F%93%9E", "Żółw & 📞"),
        ("a+b", "a+b"),
        ("%00", "\0"),
        ("%25", "%"),
        ("a%", "a%"),
        ("..", ".."),
        ("a%3Fb%23c", "a?b#c"),
        ("%F0%9F%98%80" * 128, "😀" * 128),
    ],
)
def test_an_account_id_is_decoded_once_and_is_data(server: Server, encoded: str, account_id: str) -> None:
    code, _, body = server.get(f"/exports/{encoded}")
    assert (code, body.get("account_id")) == (200, account_id)


@pytest.mark.parametrize("encoded", ["", "%FF", "a/b", "../b", "a?b=c", "x" * 129, "%ED%A0%80"])
def test_what_is_no_account_id_is_refused(server: Server, encoded: str) -> None:
    assert server.get(f"/exports/{encoded}")[0] in (400, 404)


@pytest.mark.parametrize("account", ["no%20storage", "no%20kafka"])
def test_an_outage_says_try_later_and_tells_no_details(server: Server, account: str) -> None:
    code, headers, body = server.get(f"/exports/{account}")
    assert (code, headers["Retry-After"], body) == (503, "5", {"error": "temporarily unavailable"})


def test_neither_token_nor_link_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for target in ("acme", "no%20storage", "%FF"):
            server.get(f"/exports/{target}")
        server.get("/exports/acme", "Bearer wrong-but-nearly-right")
    for secret in (TOKEN.decode(), "a-key", "nearly-right"):
        assert secret not in caplog.text


def test_without_a_token_in_the_settings_there_is_no_such_page() -> None:
    with Server() as server:
        assert server.get("/exports/acme")[0] == 404
        assert server.get("/healthz")[0] == 200
