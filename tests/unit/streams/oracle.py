"""The contract's section 3 once more: one event at a time, if-statements and Decimal, nothing shared with streams/."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from aiokafka.partitioner import murmur2

from tests.unit.streams.oracle_numbers import read_number

DAY = 86_400 * 10**6
NANO = Decimal("1e-9")


@dataclass
class Oracle:
    """`rates` and `plans` are dicts of the records' fields. `outcome` says what becomes of one event."""

    rates: list[dict[str, Any]]
    plans: list[dict[str, Any]]
    default_card: str | None = "default"
    partitions: int = 12
    seen: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)

    def outcome(self, event: dict[str, Any]) -> tuple[str, Any]:
        reason = self._early_refusal(event)
        if reason:
            return "refused", reason
        identity = (event["account_id"], event["event_id"])
        content = tuple(
            event[name]
            for name in sorted(event)
            if name not in {"partition", "offset", "recorded_at", "newest_at", "row"}
        )
        if identity in self.seen:
            return ("duplicate", None) if self.seen[identity] == content else ("refused", "conflict")
        kind, result = self._rated(event)
        if kind == "movement":
            self.seen[identity] = content
        return kind, result

    def _early_refusal(self, event: dict[str, Any]) -> str | None:
        try:
            canonical = str(UUID(event["event_id"])) == event["event_id"]
        except ValueError:
            canonical = False
        ids = [event["account_id"], event["interaction_id"]] + ([] if event["user_id"] is None else [event["user_id"]])
        if not canonical or any(not 1 <= len(each) <= 128 for each in ids):
            return "invalid_event"
        if event["occurred_at"] < event["newest_at"] - 35 * DAY:
            return "invalid_event"
        if event["occurred_at"] > event["recorded_at"] + DAY // 24:
            return "invalid_event"
        if (murmur2(event["account_id"].encode()) & 0x7FFFFFFF) % self.partitions != event["partition"]:
            return "wrong_partition"
        return "quantity_out_of_range" if event["quantity"] < 0 else None

    def _rated(self, event: dict[str, Any]) -> tuple[str, Any]:
        card = self._card(event["account_id"], event["occurred_at"])
        on_card = [rate for rate in self.rates if rate["rate_card_id"] == card]
        if not on_card:
            return "refused", "no_rate"
        if event["source_topic"] == "top-up-events":
            if event["currency"] != on_card[0]["currency"]:
                return "refused", "currency_mismatch"
            if not 0 < event["amount_nanos"] < 10**18:
                return "refused", "amount_out_of_range"
            return "movement", (event["amount_nanos"] * NANO, 0, "", None)
        rate = self._rate(on_card, event)
        if rate is None:
            return "refused", "no_rate"
        limit = 72 * 3600 if rate["unit"] in ("seconds", "minutes") else 10_000
        if event["quantity"] > limit:
            return "refused", "quantity_out_of_range"
        units = self._units(event["quantity"], rate)
        # Half a nano counts as a whole one; of whole numbers, since a Decimal would round a second time.
        nanos = (2 * units * rate["price_nanos"] + rate["price_units"]) // (2 * rate["price_units"])
        movement = Decimal(0) if nanos == 0 else -(nanos * NANO)
        if abs(movement) >= 10**9:
            return "refused", "amount_out_of_range"
        return "movement", (movement, units, rate["unit"], (rate["destination_prefix"], rate["effective_from"]))

    def _card(self, account_id: str, at: int) -> str | None:
        plans = [plan for plan in self.plans if plan["account_id"] == account_id and plan["effective_from"] <= at]
        if not plans:
            return self.default_card
        return str(max(plans, key=lambda plan: plan["effective_from"])["rate_card_id"])

    def _rate(self, on_card: list[dict[str, Any]], event: dict[str, Any]) -> dict[str, Any] | None:
        number, _ = read_number(event["destination"])
        fitting = [
            rate
            for rate in on_card
            if rate["usage_type"] == event["usage_type"]
            and number.startswith(rate["destination_prefix"])
            and rate["effective_from"] <= event["occurred_at"]
            and (rate["effective_to"] is None or event["occurred_at"] < rate["effective_to"])
        ]
        return max(fitting, key=lambda rate: (len(rate["destination_prefix"]), rate["effective_from"]), default=None)

    def _units(self, quantity: int, rate: dict[str, Any]) -> int:
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
