"""Rates one usage event: longest prefix, rate in force, billing increments. Plain Python, as anybody would write it.

It knows the rules for good events, and no more: an event that has no rate is an error.
"""

import csv
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

_DEFAULT_CARD = "default"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
_NOT_DIGITS = re.compile(r"\D+")
_END_OF_URI = re.compile("[@;]")


@dataclass(frozen=True)
class Rate:
    card: str
    prefix: str
    destination_name: str
    unit: str
    unit_size: int
    initial_increment: int
    increment: int
    price_nanos: int
    price_units: int
    currency: str
    effective_from: datetime
    effective_to: datetime


class Rating:
    """`deck`: rates as CSV. `plans`: account plans as lines of JSON."""

    def __init__(self, deck: Path, plans: Path) -> None:
        # By card and usage type, then by prefix; the newest rate first.
        self._rates: dict[tuple[str, str], dict[str, list[Rate]]] = defaultdict(lambda: defaultdict(list))
        with deck.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                self._rates[row["rate_card_id"], row["usage_type"]][row["destination_prefix"]].append(_rate(row))
        for by_prefix in self._rates.values():
            for rates in by_prefix.values():
                rates.sort(key=lambda rate: rate.effective_from, reverse=True)
        # By account; the newest plan first.
        self._plans: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for line in plans.read_text(encoding="utf-8").splitlines():
            plan = json.loads(line)
            since = _EPOCH + timedelta(microseconds=plan["effective_from"])
            self._plans[plan["account_id"]].append((since, plan["rate_card_id"]))
        for of_account in self._plans.values():
            of_account.sort(reverse=True)

    def movement(self, event: dict[str, Any], topic: str, partition: int, offset: int) -> dict[str, Any]:
        """The credit movement of an event that lies there. Raises LookupError where it has no rate."""
        rate = self._rate_of(event)
        units = _billed(event["quantity"], rate) // rate.unit_size
        return {
            "movement_id": event["event_id"],
            "account_id": event["account_id"],
            "interaction_id": event["interaction_id"],
            "description": event["usage_type"],
            "occurred_at": event["occurred_at"],
            "quantity": event["quantity"],
            "unit": rate.unit,
            "units_charged": units,
            "price_nanos": rate.price_nanos,
            "price_units": rate.price_units,
            # Half a nano is rounded away from zero.
            "credit_movement_nanos": -((2 * units * rate.price_nanos + rate.price_units) // (2 * rate.price_units)),
            "currency": rate.currency,
            "user_id": event["user_id"],
            "destination": event["destination"],
            "rate_card_id": rate.card,
            "destination_prefix": rate.prefix,
            "rate_effective_from": rate.effective_from,
            "source_topic": topic,
            "source_partition": partition,
            "source_offset": offset,
            "direction": event["direction"],
            "from_number": event["from_number"],
            "campaign_id": event["campaign_id"],
            "destination_name": rate.destination_name,
        }

    def _rate_of(self, event: dict[str, Any]) -> Rate:
        at = event["occurred_at"]
        by_prefix = self._rates[self._card(event["account_id"], at), event["usage_type"]]
        number = _number(event["destination"])
        for length in range(len(number), -1, -1):
            for rate in by_prefix.get(number[:length], ()):
                if rate.effective_from <= at < rate.effective_to:
                    return rate
        raise LookupError(f"no rate for event {event['event_id']}")

    def _card(self, account_id: str, at: datetime) -> str:
        for since, card in self._plans.get(account_id, ()):
            if since <= at:
                return card
        return _DEFAULT_CARD


def _rate(row: dict[str, str]) -> Rate:
    return Rate(
        row["rate_card_id"],
        row["destination_prefix"],
        row["destination_name"],
        row["unit"],
        int(row["unit_size"]),
        int(row["initial_increment"]),
        int(row["increment"]),
        int(Decimal(row["price"]).scaleb(9)),
        int(row["price_units"] or 1),
        row["currency"],
        datetime.fromisoformat(row["effective_from"]),
        datetime.fromisoformat(row["effective_to"]) if row["effective_to"] else _FAR,
    )


def _billed(quantity: int, rate: Rate) -> int:
    if quantity == 0:
        return 0
    if quantity <= rate.initial_increment:
        return rate.initial_increment
    steps = -(-(quantity - rate.initial_increment) // rate.increment)
    return rate.initial_increment + steps * rate.increment


def _number(destination: str | None) -> str:
    """The digits of a number, from the country code on."""
    if destination is None:
        return ""
    if destination[:1] == "+" and destination[1:].isdecimal():
        return destination[1:]
    if destination[:4] in ("tel:", "sip:"):
        destination = _END_OF_URI.split(destination[4:])[0]
    return _NOT_DIGITS.sub("", destination.replace("(0)", "")).removeprefix("00")
