"""Asks the oracle about the made-up company: the deck and plans as text, the events as they were made."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from credit_movements.demo.answer import Answer, Line
from credit_movements.demo.company import Company, Outcomes
from credit_movements.demo.generated.deck import DEFAULT_CARD
from credit_movements.demo.oracle import NANO, Event, Oracle, partition_of
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS, Topic

_SOURCES: Final = (USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE_NUMBERS: Final = ("unit_size", "initial_increment", "increment", "price_units")


class CompanyOracle:
    """Takes a company's events once, in their order. `adjustments` and `more_usage`: records of these topics, published after
    all else."""

    def __init__(self, company: Company, adjustments: Sequence[Event] = (), more_usage: Sequence[Event] = ()) -> None:
        self._company = company
        self._adjustments = adjustments
        self._more_usage = more_usage
        rates = [_rate(row) for row in csv.DictReader(io.StringIO(company.rate_deck))]
        self._oracle = Oracle(rates, company.plans.to_dicts(), DEFAULT_CARD)

    def account(self, account_id: str) -> Answer:
        """What must become of the events that name this account (messages that cannot be decoded are nobody's)."""
        heard = {topic.name: self._hear(topic, account_id) for topic in _SOURCES}
        outcomes = {name: Outcomes.counted(counted) for name, (counted, _) in heard.items()}
        return Answer([line for _, lines in heard.values() for line in lines], outcomes)

    def everything(self) -> dict[str, Outcomes]:
        """What must become of every message, by topic name; the company itself says what must become of the spoiled ones."""
        counted = {}
        for topic in _SOURCES:
            outcomes, _ = self._hear(topic, None)
            spoiled = [each.reason.value for each in self._company.spoiled if each.topic is topic]
            counted[topic.name] = Outcomes.counted(outcomes + spoiled)
        return counted

    def _hear(self, topic: Topic, account_id: str | None) -> tuple[list[str], list[Line]]:
        """The outcome of each event, and the movements where one account is asked about."""
        outcomes: list[str] = []
        lines: list[Line] = []
        for row in self._events(topic):
            if account_id is None or row["account_id"] == account_id:
                event = self._placed(topic, row)
                kind, result = self._oracle.outcome(event)
                outcomes.append(result if kind == "refused" else kind)
                if kind == "movement" and account_id is not None:
                    lines.append(self._line(event, *result[:2]))
        return outcomes, lines

    def _events(self, topic: Topic) -> Iterable[Event]:
        if topic is ADJUSTMENT_EVENTS:
            return self._adjustments
        is_usage = topic is USAGE_EVENTS
        events = self._company.usage_events if is_usage else self._company.top_up_events
        return chain(events.drop("outcome").iter_rows(named=True), self._more_usage if is_usage else ())

    def _placed(self, topic: Topic, row: dict[str, Any]) -> Event:
        """The event as it lies in its topic: published now, where its account belongs."""
        now = self._company.now_micros
        placed = {
            "source_topic": topic.name,
            "partition": partition_of(row["account_id"], self._oracle.partitions),
            "recorded_at": now,
            "newest_at": now,
        }
        return {"user_id": None, "quantity": 0} | row | placed

    def _line(self, event: Event, amount: Decimal, units: int) -> Line:
        currency = str(self._oracle.currency(event))
        identity = (event["event_id"], event["occurred_at"], event["interaction_id"])
        if event["source_topic"] != USAGE_EVENTS.name:
            return Line(*identity, event.get("kind", "top-up"), None, None, None, amount, currency)
        rate = self._oracle.rate(event)
        assert rate is not None, "what became a movement has a rate"
        price = rate["price_nanos"] * NANO
        return Line(*identity, event["usage_type"], units, price, rate["price_units"], amount, currency)


def _rate(row: dict[str, str]) -> dict[str, Any]:
    """A line of the deck as the record that it becomes."""
    return {
        **row,
        **{name: int(row[name]) for name in _WHOLE_NUMBERS},
        "price_nanos": int(Decimal(row["price"]) / NANO),
        "effective_from": _micros(row["effective_from"]),
        "effective_to": _micros(row["effective_to"]) if row["effective_to"] else None,
    }


def _micros(iso: str) -> int:
    return (datetime.fromisoformat(iso) - _EPOCH) // timedelta(microseconds=1)
