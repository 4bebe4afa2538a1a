"""What an account's movements add up to, slowly and simply, beside what ClickHouse adds up."""

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from tests.acceptance.command import RunningUp
from tests.acceptance.dashboard.page import read

Key = TypeVar("Key")


def ledger(up: RunningUp, account_id: str, **wanted: str) -> list[dict[str, Any]]:
    """All movements, page by page, as the page's own backend gives them."""
    lines: list[dict[str, Any]] = []
    while True:
        before = {"before_at": lines[-1]["occurred_at"], "before_id": lines[-1]["movement_id"]} if lines else {}
        query = urlencode({"account": account_id, **wanted, **before})
        page = json.loads(read(f"{up.pages}/dashboard/lines?{query}"))
        lines += page["lines"]
        if not page["more"]:
            return lines


def spent(lines: list[dict[str, Any]], zone: str) -> dict[tuple[str, str], Decimal]:
    """By local day and type: charges alone, positive."""
    return added_up(
        [
            ((local_day(line["occurred_at"], zone), line["description"]), -Decimal(line["credit_movement"]))
            for line in lines
            if line["description"] != "top-up"
        ]
    )


def local_day(moment: str, zone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).date().isoformat()


def added_up(amounts: list[tuple[Key, Decimal]]) -> dict[Key, Decimal]:
    found: dict[Key, Decimal] = defaultdict(Decimal)
    for key, amount in amounts:
        found[key] += amount
    return dict(found)


def shown(amount: Decimal) -> str:
    whole, _, part = f"{amount.normalize():,f}".partition(".")
    return f"{whole}.{part.ljust(2, '0')} EUR"
