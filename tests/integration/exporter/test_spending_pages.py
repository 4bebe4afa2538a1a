"""`/spending/<account>` and `/balance/<account>`, and the commands of these names, on a real ClickHouse: they say the same."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import clickhouse_connect
import numpy as np
import pytest

from exporter.file.clickhouse_clients import ClickHouseClients
from exporter.storage.links import Link, LinkSigner
from exporter.web.spending_pages import spending_pages
from sinks.write.columns import movement_columns
from sinks.write.insert import insert_movements
from sinks.write.migrations import apply_migrations
from tests.acceptance.command import run
from tests.integration.records import movement, movements_table
from tests.unit.exporter.web.server import TOKEN, Server

NOW = 1_764_316_800_000_000  # 2025-11-28T08:00:00Z
HOUR = 3600 * 10**6
ACCOUNT = "acme/ü"
ROWS = [
    movement(1, account_id=ACCOUNT, occurred_at=NOW - HOUR, user_id="anna"),
    movement(2, account_id=ACCOUNT, occurred_at=NOW - 9 * HOUR, credit_movement_nanos=-500_000_000, user_id=None),
    movement(
        3, account_id=ACCOUNT, occurred_at=NOW - 40 * 24 * HOUR, description="top-up", unit="", credit_movement_nanos=10**10
    ),
    movement(4, account_id="other", occurred_at=NOW - HOUR),
    movement(5, account_id="two", occurred_at=NOW - HOUR),
    movement(6, account_id="two", occurred_at=NOW - HOUR, currency="USD"),
    *(
        movement(7 + number, account_id="odd", occurred_at=NOW - HOUR, user_id=user)
        for number, user in enumerate(("[/b]", "[bold]anna[/bold]", "\x1b[31mred\n"))
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def dsn(clickhouse: str) -> Iterator[str]:
    from tests.clickhouse.databases import own_database

    with own_database(clickhouse, "spending") as dsn:
        apply_migrations(dsn)
        with closing(clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)) as client:
            places = np.arange(len(ROWS))
            table = movement_columns(movements_table(ROWS), "log", np.zeros_like(places), places)
            insert_movements(client, table)
        yield dsn


@pytest.fixture(scope="module")
def server(dsn: str) -> Iterator[Server]:
    clients = ClickHouseClients(lambda: clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False))
    with Server(*spending_pages(clients, TOKEN, lambda: NOW)) as server:
        yield server


def test_spending_by_day_is_that_of_the_last_days_and_of_this_account_alone(server: Server) -> None:
    code, _, body = server.get("/spending/acme%2F%C3%BC")
    assert code == 200
    assert body == {
        "account_id": ACCOUNT,
        "currency": "EUR",
        "from": "2025-10-29T00:00:00.000000Z",
        "to": "2025-11-28T08:00:00.000000Z",
        "time_zone": "UTC",
        "by": "day",
        "rows": [
            {"key": "2025-11-27", "movements": 1, "charges": "-0.5", "top_ups": "0", "adjustments": "0", "net": "-0.5"},
            {"key": "2025-11-28", "movements": 1, "charges": "-0.00012", "top_ups": "0", "adjustments": "0", "net": "-0.00012"},
        ],
    }  # fmt: skip


def test_parameters_are_those_of_the_command(server: Server, dsn: str, tmp_path: Any) -> None:
    asked = "from=2025-10-01&to=2025-11-28T09:00%2B01:00&by=user,description&time_zone=Europe/Berlin"
    code, _, body = server.get(f"/spending/acme%2F%C3%BC?{asked}")
    assert code == 200
    assert [(row["key"], row["movements"], row["net"]) for row in body["rows"]] == [
        ([None, "call"], 1, "-0.5"), ([None, "top-up"], 1, "10"), (["anna", "call"], 1, "-0.00012"),
    ]  # fmt: skip
    options = ["--from", "2025-10-01", "--to", "2025-11-28T09:00+01:00", "--by", "user,description"]
    told = run(
        "spending", ACCOUNT, *options, "--time-zone", "Europe/Berlin", "--json", "--data-dir", str(tmp_path),
        CREDIT_CLICKHOUSE_DSN=dsn,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout) == body


def test_a_balance_at_an_instant_counts_what_happened_before(server: Server, dsn: str, tmp_path: Any) -> None:
    at = "2025-11-28T00:00:00.000000Z"
    code, _, body = server.get(f"/balance/acme%2F%C3%BC?at={at}")
    assert (code, body) == (
        200, {"account_id": ACCOUNT, "at": at, "balances": [{"currency": "EUR", "balance": "9.5", "movements": 2}]}
    )  # fmt: skip
    told = run(
        "balance", ACCOUNT, "--at", "2025-11-28", "--json", "--data-dir", str(tmp_path), CREDIT_CLICKHOUSE_DSN=dsn
    )
    assert json.loads(told.stdout) == body
    now = server.get("/balance/acme%2F%C3%BC")[2]
    assert (now["at"], now["balances"][0]["balance"]) == (None, "9.49988")
    assert server.get("/balance/nobody")[2]["balances"] == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/spending/two", "currency: must be named: the account has movements in EUR, USD"),
        (
            "/spending/acme?by=week",
            "by: must be one of day, hour, description, user, destination, card, or two of them",
        ),
        ("/spending/acme?by=day&by=hour", "by: may be given once"),
        ("/spending/acme?from=1900-01-01&by=hour", "from: is too early: "),
        ("/balance/acme?at=now", "at: must be a date"),
        ("/balance/acme?at=%FF", "parameters: must be few"),
        ("/balance/acme/more", "one account id"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_line(server: Server, target: str, said: str) -> None:
    code, _, body = server.get(target)
    assert code == 400
    assert body["error"].startswith(said)


def test_one_of_several_currencies_is_named(server: Server) -> None:
    _, _, body = server.get("/spending/two?currency=USD&by=card")
    assert (body["currency"], [row["movements"] for row in body["rows"]]) == ("USD", [1])


def test_the_commands_of_the_page_run(dsn: str, tmp_path: Any) -> None:
    """docs/how-to/spending.md, with the account of this test."""
    for options in (
        [],
        ["--from", "2026-10-01", "--to", "2026-11-01", "--by", "day,description", "--time-zone", "Europe/Berlin"],
        ["--by", "user", "--json"],
    ):
        told = run("spending", ACCOUNT, *options, "--data-dir", str(tmp_path), CREDIT_CLICKHOUSE_DSN=dsn)
        assert (told.returncode, told.stderr) == (0, "")
    told = run("balance", ACCOUNT, "--at", "2026-11-01", "--data-dir", str(tmp_path), CREDIT_CLICKHOUSE_DSN=dsn)
    assert (told.returncode, told.stderr) == (0, "")
    assert "9.49988" in told.stdout


def test_a_user_of_any_text_is_shown_as_written_and_moves_no_cursor(dsn: str, tmp_path: Any) -> None:
    environment = {"CREDIT_CLICKHOUSE_DSN": dsn}
    told = run("spending", "odd", "--by", "user", "--from", "2025-11-28", "--data-dir", str(tmp_path), **environment)
    assert (told.returncode, told.stderr) == (0, "")
    assert all(each in told.stdout for each in ("[/b]", "[bold]anna[/bold]", r"\x1b[31mred\n"))
    assert "\x1b" not in told.stdout


def test_a_currency_that_an_account_does_not_have_is_said_with_those_that_it_has(dsn: str, tmp_path: Any) -> None:
    told = run("spending", "two", "--currency", "eur", "--data-dir", str(tmp_path), CREDIT_CLICKHOUSE_DSN=dsn)
    assert told.returncode == 0
    assert "has no movements in eur from" in told.stdout
    assert told.stdout.endswith("It has some in EUR, USD.\n")


def test_nobody_without_the_token_gets_an_answer(server: Server) -> None:
    # What a customer may hold: a link to a file of the account, signed with whatever is secret here.
    link = LinkSigner(TOKEN).path(Link("exports/1.csv", ACCOUNT, "1", "1.csv", NOW + HOUR))
    of_link = link.removeprefix("/downloads/").partition("/")[0]
    for name in ("spending", "balance"):
        for authorization in (None, "Bearer", f"Bearer {of_link}", f"Basic {TOKEN.decode()}"):
            code, _, body = server.get(f"/{name}/acme%2F%C3%BC", authorization)
            assert (code, body) == (401, {"error": "a bearer token is needed"})


def test_no_account_is_answered_with_what_another_spent(server: Server) -> None:
    for target in (
        "acme%2F%C3%9C",
        "acme",
        "acme%2F%C3%BC%20",
        "%2A",
        "acme%2F%25",
        "..%2Facme%2F%C3%BC",
        "acme%27%20OR%201=1",
    ):
        code, _, body = server.get(f"/spending/{target}?from=2025-10-01&by=user")
        assert (code, body["rows"], body["currency"]) == (200, [], None)
        assert server.get(f"/balance/{target}")[2]["balances"] == []


def test_an_outage_says_try_later(caplog: pytest.LogCaptureFixture) -> None:
    away = ClickHouseClients(lambda: clickhouse_connect.get_client(dsn="http://u:secret@127.0.0.1:1/x"))
    with Server(*spending_pages(away, TOKEN, lambda: NOW)) as server:
        assert {server.get(f"/{name}/acme")[0] for name in ("spending", "balance")} == {503}
    assert "secret" not in caplog.text


def test_a_wrong_option_is_one_line(dsn: str, tmp_path: Any) -> None:
    told = run("spending", "acme", "--by", "week", "--data-dir", str(tmp_path), CREDIT_CLICKHOUSE_DSN=dsn)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("credit-movements: --by: must be one of day, hour")
    assert told.stderr.count("\n") == 1
