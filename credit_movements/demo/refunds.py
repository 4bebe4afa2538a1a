"""What the company gives back: support a call, whose refund it sends twice by mistake; finance what a wrong price took."""

import csv
import io
from typing import Any, Final
from uuid import UUID, uuid5

import polars as pl

from credit_movements.demo.company import Company
from credit_movements.demo.company_oracle import CompanyOracle
from credit_movements.demo.generated.accounts import DAY_MICROS
from credit_movements.demo.generated.deck import DEFAULT_CARD
from credit_movements.demo.oracle import NANO
from streams.pricing.deck.fault import LINE
from streams.pricing.deck.parsing import lint

_REMEMBERED_DAYS: Final = 7
MISTYPED: Final = "4915"


def refunds(company: Company) -> list[dict[str, Any]]:
    """Two records of `adjustment-events`, which are the same: all of what the showcase account's dearest call of the last days
    took. Its id is made of that of the movement, so whoever makes it again makes the same."""
    answer = CompanyOracle(company).account(company.showcase_account_id)
    since = company.now_micros - _REMEMBERED_DAYS * DAY_MICROS
    # The odd interaction ids of the company come again and again; those with CA name one call each.
    calls = [line for line in answer.lines if line.interaction_id.startswith("CA") and line.occurred_at >= since]
    dearest = min(calls, key=lambda line: (line.credit_movement, line.movement_id))
    refund = {
        "event_id": str(uuid5(UUID(dearest.movement_id), "refund")),
        "account_id": company.showcase_account_id,
        "interaction_id": dearest.interaction_id,
        "kind": "refund",
        "amount_nanos": int(-dearest.credit_movement / NANO),
        "currency": dearest.currency,
        "movement_id": dearest.movement_id,
        "reason": "the line was bad: ticket 4711",
        "occurred_at": company.now_micros,
    }
    return [refund, refund]


def right_rates(company: Company) -> pl.DataFrame:
    """What calls to the prefix MISTYPED should have cost: half of what they did, at any time."""
    deck = lint(csv.reader(io.StringIO(company.rate_deck))).table.drop(LINE)
    wrong = deck.filter(rate_card_id=DEFAULT_CARD, usage_type="call", destination_prefix=MISTYPED)
    return wrong.with_columns(pl.col("price_nanos") // 2)
