"""What is right, found in another way: one event after the other, with Decimals and plain ifs, from the deck's text.

Shares no code with the rater: the two agree by both being right, or by the same mistake made twice.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from credit_movements.demo.company import Company, Outcomes
from credit_movements.demo.price_list import ListedRate, PriceList
from credit_movements.demo.verdict import Line, Verdict
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS, Topic

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HOUR_MICROS: Final = 3_600_000_000
_AMOUNT_LIMIT: Final = Decimal(10**9)

Event = dict[str, Any]


class Refused(Exception):
    """An event that must become a dead letter; its text is the reason."""


class Judge:
    """Hears a company's events, once."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._prices = PriceList(company)
        self._seen: dict[tuple[str, str], Event] = {}

    def account(self, account_id: str) -> Verdict:
        """What must become of the events that name this account (messages that cannot be decoded are nobody's)."""
        used, charges = self._hear(USAGE_EVENTS, account_id)
        paid, payments = self._hear(TOP_UP_EVENTS, account_id)
        outcomes = {USAGE_EVENTS.name: Outcomes.counted(used), TOP_UP_EVENTS.name: Outcomes.counted(paid)}
        return Verdict(charges + payments, outcomes)

    def everything(self) -> dict[str, Outcomes]:
        """What must become of every message, by topic name; for the spoiled ones the company's word is taken."""
        counted = {}
        for topic in (USAGE_EVENTS, TOP_UP_EVENTS):
            outcomes, _ = self._hear(topic, None)
            spoiled = [each.reason.value for each in self._company.spoiled if each.topic is topic]
            counted[topic.name] = Outcomes.counted(outcomes + spoiled)
        return counted

    def _hear(self, topic: Topic, account_id: str | None) -> tuple[list[str], list[Line]]:
        events = self._company.usage_events if topic is USAGE_EVENTS else self._company.top_up_events
        outcomes: list[str] = []
        lines: list[Line] = []
        for event in events.drop("outcome").iter_rows(named=True):
            if account_id is None or event["account_id"] == account_id:
                try:
                    line = self._line(topic, event)
                except Refused as refused:
                    outcomes.append(str(refused))
                    continue
                outcomes.append("duplicate" if line is None else "movement")
                lines += [] if line is None else [line]
        return outcomes, lines

    def _line(self, topic: Topic, event: Event) -> Line | None:
        """The event's line, or None for a duplicate. Raises Refused."""
        self._check_form(event)
        if event.get("quantity", 0) < 0:
            raise Refused("quantity_out_of_range")
        key = (event["account_id"], event["event_id"])
        if key in self._seen:
            if self._seen[key] != event:
                raise Refused("conflict")
            return None
        line = self._charge(event) if topic is USAGE_EVENTS else self._payment(event)
        if abs(line.credit_movement) >= _AMOUNT_LIMIT:
            raise Refused("amount_out_of_range")
        self._seen[key] = event
        return line

    def _check_form(self, event: Event) -> None:
        texts = [event["account_id"], event["interaction_id"]]
        if event.get("user_id") is not None:
            texts.append(event["user_id"])
        age = self._company.now_micros - event["occurred_at"]
        if not _UUID.fullmatch(event["event_id"]) or age > 35 * 24 * _HOUR_MICROS or age < -_HOUR_MICROS:
            raise Refused("invalid_event")
        if any(not 1 <= len(text) <= 128 for text in texts):
            raise Refused("invalid_event")

    def _charge(self, event: Event) -> Line:
        rate = self._prices.rate(event)
        if rate is None:
            raise Refused("no_rate")
        if event["quantity"] > (72 * 3600 if rate.unit in ("seconds", "minutes") else 10_000):
            raise Refused("quantity_out_of_range")
        units = _billed(event["quantity"], rate) // rate.unit_size
        amount = _to_the_nano(units * Fraction(rate.price) / rate.price_units)
        return Line(
            event["event_id"],
            event["occurred_at"],
            event["interaction_id"],
            event["usage_type"],
            units,
            rate.price,
            rate.price_units,
            -amount if amount else Decimal(0),
            self._prices.currency(event),
        )

    def _payment(self, event: Event) -> Line:
        if event["currency"] != self._prices.currency(event):
            raise Refused("currency_mismatch")
        amount = Decimal(event["amount_nanos"]).scaleb(-9)
        identity = (event["event_id"], event["occurred_at"], event["interaction_id"])
        return Line(*identity, "top-up", None, None, None, amount, event["currency"])


def _to_the_nano(amount: Fraction) -> Decimal:
    """Half a nano counts as a whole one."""
    nanos = amount * 10**9
    whole = nanos.numerator // nanos.denominator
    return Decimal(whole if nanos - whole < Fraction(1, 2) else whole + 1).scaleb(-9)


def _billed(quantity: int, rate: ListedRate) -> int:
    """Counted up as a clock would: the first increment, then step by step."""
    if quantity == 0:
        return 0
    billed = rate.initial_increment
    while billed < quantity:
        billed += rate.increment
    return billed
