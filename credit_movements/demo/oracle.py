"""What must become of an event, one after the other, by if-statements and decimals.

There are three implementations of rating, and none computes with the code of another. `streams` rates whole batches, because
production must be fast. This oracle is as plain as the rules of the contract, because tests and demo need an answer that a
person can check. `audit` computes anew what stands in the log, because a running system must be able to doubt itself.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, Final
from uuid import UUID

from aiokafka.partitioner import murmur2

from credit_movements.demo.oracle_numbers import read_number

DAY: Final = 86_400 * 10**6
NANO: Final = Decimal("1e-9")
_NOT_CONTENT: Final = frozenset({"partition", "offset", "recorded_at", "newest_at", "row"})

Event = dict[str, Any]
Rate = dict[str, Any]


@dataclass
class Oracle:
    """Decides on events one by one, in their order. `rates` and `plans` are dicts of the records' fields."""

    rates: list[Rate]
    plans: list[dict[str, Any]]
    # The contract's figures stand here a second time on purpose: an oracle takes nothing from the code that it checks.
    default_card: str | None = "default"
    partitions: int = 12
    charged: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._currencies = {rate["rate_card_id"]: rate["currency"] for rate in reversed(self.rates)}
        self._listed: defaultdict[tuple[str | None, str, str], list[Rate]] = defaultdict(list)
        for rate in self.rates:
            self._listed[rate["rate_card_id"], rate["usage_type"], rate["destination_prefix"]].append(rate)
        self._plans_of: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for plan in self.plans:
            self._plans_of[plan["account_id"]].append(plan)

    def outcome(self, event: Event) -> tuple[str, Any]:
        """("movement", (amount, units, unit, rate's prefix and beginning)), ("duplicate", None) or ("refused", reason)."""
        reason = self._early_refusal(event)
        if reason:
            return "refused", reason
        identity = (event["account_id"], event["event_id"])
        content = tuple(event[name] for name in sorted(event) if name not in _NOT_CONTENT)
        if identity in self.charged:
            return ("duplicate", None) if self.charged[identity] == content else ("refused", "conflict")
        kind, result = self._rated(event)
        if kind == "movement":
            self.charged[identity] = content
        return kind, result

    def currency(self, event: Event) -> str | None:
        """Of the event's card; None where the card has no rates."""
        return self._currencies.get(self._card(event["account_id"], event["occurred_at"]))

    def rate(self, event: Event) -> Rate | None:
        """The longest prefix that holds at the event's time, and of its rates the latest; None where there is none."""
        card, at = self._card(event["account_id"], event["occurred_at"]), event["occurred_at"]
        number, _ = read_number(event["destination"])
        for length in range(len(number), -1, -1):
            fitting = [
                rate
                for rate in self._listed.get((card, event["usage_type"], number[:length]), ())
                if rate["effective_from"] <= at and (rate["effective_to"] is None or at < rate["effective_to"])
            ]
            if fitting:
                return max(fitting, key=lambda rate: rate["effective_from"])
        return None

    def _early_refusal(self, event: Event) -> str | None:
        ids = [event["account_id"], event["interaction_id"]]
        ids += [event[name] for name in ("user_id", "from_number", "campaign_id") if event.get(name) is not None]
        if not _is_uuid(event["event_id"]) or any(not 1 <= len(each) <= 128 for each in ids):
            return "invalid_event"
        if event.get("direction") not in (None, "outbound", "inbound"):
            return "invalid_event"
        if event["source_topic"] == "adjustment-events" and _is_ill_formed(event):
            return "invalid_event"
        if event["occurred_at"] < event["newest_at"] - 35 * DAY:
            return "invalid_event"
        if event["occurred_at"] > event["recorded_at"] + DAY // 24:
            return "invalid_event"
        if partition_of(event["account_id"], self.partitions) != event["partition"]:
            return "wrong_partition"
        return "quantity_out_of_range" if event["quantity"] < 0 else None

    def _rated(self, event: Event) -> tuple[str, Any]:
        currency = self.currency(event)
        if currency is None:
            return "refused", "no_rate"
        if event["source_topic"] != "usage-events":
            if event["currency"] != currency:
                return "refused", "currency_mismatch"
            amount, is_top_up = event["amount_nanos"], event["source_topic"] == "top-up-events"
            if amount == 0 or abs(amount) >= 10**18 or (is_top_up and amount < 0):
                return "refused", "amount_out_of_range"
            return "movement", (event["amount_nanos"] * NANO, 0, "", None)
        rate = self.rate(event)
        if rate is None:
            return "refused", "no_rate"
        limit = 72 * 3600 if rate["unit"] in ("seconds", "minutes") else 10_000
        if event["quantity"] > limit:
            return "refused", "quantity_out_of_range"
        units = _units(event["quantity"], rate)
        # Half a nano is rounded up. Whole numbers, because a Decimal would round a second time.
        nanos = (2 * units * rate["price_nanos"] + rate["price_units"]) // (2 * rate["price_units"])
        movement = Decimal(0) if nanos == 0 else -(nanos * NANO)
        if abs(movement) >= 10**9:
            return "refused", "amount_out_of_range"
        return "movement", (movement, units, rate["unit"], (rate["destination_prefix"], rate["effective_from"]))

    def _card(self, account_id: str, at: int) -> str | None:
        plans = [plan for plan in self._plans_of.get(account_id, ()) if plan["effective_from"] <= at]
        if not plans:
            return self.default_card
        return str(max(plans, key=lambda plan: plan["effective_from"])["rate_card_id"])


def _is_ill_formed(adjustment: Event) -> bool:
    # A record calls it otherwise than a table of events.
    corrected = adjustment.get("corrected_movement_id", adjustment.get("movement_id"))
    reason = adjustment["reason"] or ""
    is_known = adjustment["kind"] in ("refund", "chargeback", "correction")
    return not is_known or not (corrected is None or _is_uuid(corrected)) or len(reason) > 1024


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


@cache
def partition_of(account_id: str, partitions: int) -> int:
    """The partition that Kafka's own clients give a key."""
    return int((murmur2(account_id.encode()) & 0x7FFFFFFF) % partitions)


def _units(quantity: int, rate: Rate) -> int:
    if quantity == 0:
        billed = 0
    elif quantity <= rate["initial_increment"]:
        billed = rate["initial_increment"]
    else:
        billed = rate["initial_increment"]
        while billed < quantity:
            billed += rate["increment"]
    assert billed % rate["unit_size"] == 0
    return int(billed // rate["unit_size"])
