"""The judge's own reading of a deck and of account plans: plain lists and ifs."""

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from credit_movements.demo.company import Company
from credit_movements.demo.deck import DEFAULT_CARD

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ListedRate:
    """One line of the deck; times in microseconds."""

    unit: str
    unit_size: int
    initial_increment: int
    increment: int
    price: Decimal
    price_units: int
    effective_from: int
    effective_to: int | None

    def holds_at(self, micros: int) -> bool:
        return self.effective_from <= micros and (self.effective_to is None or micros < self.effective_to)


class PriceList:
    def __init__(self, company: Company) -> None:
        self._currencies: dict[str, str] = {}
        self._rates: dict[tuple[str, str, str], list[ListedRate]] = defaultdict(list)
        for row in csv.DictReader(io.StringIO(company.rate_deck)):
            self._currencies[row["rate_card_id"]] = row["currency"]
            self._rates[row["rate_card_id"], row["usage_type"], row["destination_prefix"]].append(_listed(row))
        self._plans: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for plan in company.plans.to_dicts():
            self._plans[plan["account_id"]].append((plan["effective_from"], plan["rate_card_id"]))

    def currency(self, event: dict[str, Any]) -> str:
        return self._currencies[self._card(event)]

    def rate(self, event: dict[str, Any]) -> ListedRate | None:
        """The longest prefix that holds at the event's time, and of its rates the latest; None where there is none."""
        card, number, at = self._card(event), _digits(event["destination"]), event["occurred_at"]
        for length in range(min(len(number), 18), -1, -1):
            rates = self._rates.get((card, event["usage_type"], number[:length]), [])
            if valid := [rate for rate in rates if rate.holds_at(at)]:
                return max(valid, key=lambda rate: rate.effective_from)
        return None

    def _card(self, event: dict[str, Any]) -> str:
        plans = [plan for plan in self._plans[event["account_id"]] if plan[0] <= event["occurred_at"]]
        return max(plans)[1] if plans else DEFAULT_CARD


def _digits(destination: str | None) -> str:
    """The digits of a number, '' where there is none."""
    number = re.split("[;@]", re.sub("^(tel|sip):", "", destination or ""))[0]
    bare = re.sub(r"[\s.()\-\u200e\u2011]", "", re.sub(r"^(\+[0-9]{1,3}) \(0\)", r"\1", number))
    bare = bare.removeprefix("+") if bare.startswith("+") else bare.removeprefix("00")
    return bare if bare.isascii() and bare.isdigit() else ""


def _listed(row: dict[str, str]) -> ListedRate:
    return ListedRate(
        row["unit"],
        int(row["unit_size"]),
        int(row["initial_increment"]),
        int(row["increment"]),
        Decimal(row["price"]),
        int(row["price_units"]),
        _micros(row["effective_from"]),
        _micros(row["effective_to"]) if row["effective_to"] else None,
    )


def _micros(iso: str) -> int:
    return (datetime.fromisoformat(iso) - _EPOCH) // timedelta(microseconds=1)
