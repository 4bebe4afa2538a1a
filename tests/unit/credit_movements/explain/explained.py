"""Events and movements as `explain` gets them, rated by the rater's own functions."""

from typing import Any

import polars as pl

from credit_movements.explain.steps import Rated
from streams.events.table import EVENT_COLUMNS
from tests.limits import LIMITS
from tests.prices import history_of

AT = 1_793_000_000_000_000
DAY = 86_400 * 10**6


def rate(**fields: Any) -> dict[str, Any]:
    return {
        "rate_card_id": "default", "usage_type": "call", "destination_prefix": "49", "destination_name": "Germany",
        "unit": "seconds", "unit_size": 1, "initial_increment": 30, "increment": 6, "price_nanos": 30_500_000,
        "price_units": 60, "currency": "EUR", "effective_from": AT - 100 * DAY, "effective_to": None,
    } | fields  # fmt: skip


def plan(**fields: Any) -> dict[str, Any]:
    return {"account_id": "acme", "rate_card_id": "gold", "effective_from": AT - 50 * DAY} | fields


def event(**fields: Any) -> pl.DataFrame:
    row = {
        "row": 0, "partition": 0, "offset": 7, "recorded_at": AT, "newest_at": AT, "source_topic": "usage-events",
        "event_id": "3f0c9a52-7d1e-4b8a-9c55-000000000001", "account_id": "acme", "interaction_id": "call-1",
        "usage_type": "call", "quantity": 187, "destination": "+49 (0)30 1234", "occurred_at": AT, "user_id": None,
        "amount_nanos": None, "currency": None,
    } | fields  # fmt: skip
    return pl.DataFrame([row], schema=EVENT_COLUMNS)


def rated(*rates: dict[str, Any], plans: tuple[dict[str, Any], ...] = (), **fields: Any) -> Rated:
    return Rated.by(history_of(rates, plans), event(**fields), LIMITS)


def movement(of: Rated, **fields: Any) -> dict[str, Any]:
    """What the rater makes of it."""
    names = ("account_id", "interaction_id", "occurred_at", "quantity", "user_id", "destination", "source_topic")
    return {
        **{name: of.event[name] for name in names},
        **{name: value for name, value in of.priced.items() if name != "is_no_number"},
        "movement_id": of.event["event_id"], "description": of.event["usage_type"] or "top-up",
        "source_partition": of.event["partition"], "source_offset": of.event["offset"],
        "corrected_movement_id": None, "reason": None,
        **dict.fromkeys(("direction", "from_number", "campaign_id")), "log_id": "log", "log_partition": 0, "log_offset": 3,
    } | fields  # fmt: skip
