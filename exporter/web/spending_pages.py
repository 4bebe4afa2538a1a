"""GET `/spending/<account id>` and `/balance/<account id>`: what the commands of these names say, for dashboards."""

from collections.abc import Callable, Mapping
from typing import Any

from exporter.file.clickhouse_clients import ClickHouseClients
from exporter.spending.answer import spending_answer
from exporter.spending.balance import balance_answer
from exporter.spending.question import balance_instant, spending_question
from exporter.web.account_page import AccountPage
from sinks.read.slice import outages_named


def spending_pages(clients: ClickHouseClients, token: bytes, now_micros: Callable[[], int]) -> list[AccountPage]:
    """Each question takes a client for itself alone."""

    def spending(account_id: str, given: Mapping[str, str]) -> dict[str, Any]:
        question = spending_question(account_id, given, now_micros())
        with clients.one() as client:
            return spending_answer(client, question)

    def balance(account_id: str, given: Mapping[str, str]) -> dict[str, Any]:
        at_micros = balance_instant(given)
        with clients.one() as client, outages_named():
            return balance_answer(client, account_id, at_micros)

    return [AccountPage("spending", spending, token), AccountPage("balance", balance, token)]
