"""Where an account's credit went, for the page: its balance, its days by type, and who and what it was spent on most."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from credit_movements import clickhouse
from credit_movements.settings import Settings
from exporter.request.window import Period
from exporter.spending.balance import balance_answer, plain
from sinks.read.newest_movements import WantedMovements, destination_names
from sinks.read.slice import outages_named
from sinks.read.spending import spending
from sinks.read.summed.grains import DAY, DESCRIPTION, DESTINATION, USER

MOST_KEYS: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AMOUNTS: Final = ("charges", "top_ups", "adjustments", "net")


def spent(settings: Settings, account_id: str, period: Period, only: Mapping[str, str]) -> dict[str, Any]:
    """The account's `balances`; of the period its `days` (one row a day, description and currency), and of `users` and
    `destinations` the MOST_KEYS that cost most; and `destination_names`, of the prefixes in there that have one. Amounts are
    texts of plain decimals.

    `only`: the days of this `user` and `destination` (the prefix of the rate). Of the two lists each is that of the other one,
    so that the reader sees whom else to choose.

    Raises UnreachableError, MovementsUnavailableError.
    """
    start, end = (_EPOCH + timedelta(microseconds=at) for at in (period.from_micros, period.to_micros))
    with closing(clickhouse.checked_client(settings)) as client, outages_named():

        def by(*keys: str, only: Mapping[str, str]) -> list[dict[str, Any]]:
            return spending(client, account_id, start, end, keys, period.time_zone, only)

        balances = balance_answer(client, account_id, None)["balances"]
        days = by(DAY, DESCRIPTION, only=only)
        users, destinations = (
            by(each, only={name: key for name, key in only.items() if name != each}) for each in (USER, DESTINATION)
        )
        most_spent_on = _most_spent(destinations)
        prefixes = {row["key"] for row in most_spent_on} | {only.get(DESTINATION)}
        of_period = WantedMovements(account_id, period.from_micros, period.to_micros)
        names = destination_names(client, of_period, [each for each in prefixes if each])
    return {
        "account_id": account_id,
        "balances": balances,
        "days": [{"day": row["key"][0], "description": row["key"][1], **_amounts(row)} for row in days],
        "users": _most_spent(users),
        "destinations": most_spent_on,
        "destination_names": names,
    }


def balance(settings: Settings, account_id: str) -> dict[str, Any]:
    """The account's `balances` alone, where no period can be shown. Raises UnreachableError, MovementsUnavailableError."""
    with closing(clickhouse.checked_client(settings)) as client, outages_named():
        return {"balances": balance_answer(client, account_id, None)["balances"]}


def _most_spent(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each currency the keys that cost most, and after them one row of all others: its key is null, and `others` says how
    many they are."""
    by_currency: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["charges"]):
        if row["charges"] < 0:
            by_currency.setdefault(row["currency"], []).append(row)
    found = []
    for currency, paid in by_currency.items():
        found += [{"key": row["key"][0], "others": 0, **_amounts(row)} for row in paid[:MOST_KEYS]]
        if others := paid[MOST_KEYS:]:
            sums = {name: sum(row[name] for row in others) for name in ("movements", *_AMOUNTS)}
            found.append({"key": None, "others": len(others), **_amounts({"currency": currency, **sums})})
    return found


def _amounts(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: plain(row[name]) for name in _AMOUNTS}
    return {"currency": row["currency"], "movements": row["movements"], **texts}
