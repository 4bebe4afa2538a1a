"""Records of the public topics, good unless a test says otherwise."""

import time
import uuid
from typing import Any

import polars as pl
from confluent_kafka import Message

DAY = 86_400 * 10**6
YESTERDAY = time.time_ns() // 1000 - DAY


def rate(**fields: Any) -> dict[str, Any]:
    return {
        "rate_card_id": "default", "usage_type": "call", "destination_prefix": "", "destination_name": "", "unit": "seconds",
        "unit_size": 1, "initial_increment": 60, "increment": 60, "price_nanos": 1000, "price_units": 1, "currency": "EUR",
        "effective_from": 0, "effective_to": None,
    } | fields  # fmt: skip


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"00000000-0000-4000-8000-{number:012x}", "account_id": f"acct-{number % 7}",
        "interaction_id": f"call-{number}", "usage_type": "call", "quantity": 61, "destination": "+4915112345",
        "occurred_at": YESTERDAY, "user_id": None,
    } | fields  # fmt: skip


def top_up(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"11111111-0000-4000-8000-{number:012x}", "account_id": f"acct-{number % 7}",
        "interaction_id": f"payment-{number}", "amount_nanos": 10**10, "currency": "EUR", "occurred_at": YESTERDAY,
    } | fields  # fmt: skip


def adjustment(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"22222222-0000-4000-8000-{number:012x}", "account_id": f"acct-{number % 7}",
        "interaction_id": f"call-{number}", "kind": "refund", "amount_nanos": 10**8, "currency": "EUR", "movement_id": None,
        "reason": None, "occurred_at": YESTERDAY,
    } | fields  # fmt: skip


def movement(number: int, **fields: Any) -> dict[str, Any]:
    """What the rater makes of `event(number)` at `rate()`."""
    made = event(number)
    same = {
        name: made[name]
        for name in ("account_id", "interaction_id", "occurred_at", "quantity", "destination", "user_id")
    }
    return same | {
        "movement_id": made["event_id"], "description": made["usage_type"], "unit": "seconds", "units_charged": 120,
        "price_nanos": 1000, "price_units": 1, "credit_movement_nanos": -120_000, "currency": "EUR", "rate_card_id": "default",
        "destination_prefix": "", "rate_effective_from": 0, "source_topic": "usage-events", "source_partition": 0,
        "source_offset": number, "corrected_movement_id": None, "reason": None,
        "direction": None, "from_number": None, "campaign_id": None, "destination_name": None,
    } | fields  # fmt: skip


def minute(**fields: Any) -> dict[str, Any]:
    """A movement of a call's one minute, for 0.03."""
    return {
        "movement_id": str(uuid.uuid4()), "account_id": "acme", "interaction_id": "call-1", "description": "call",
        "occurred_at": YESTERDAY, "quantity": 60, "unit": "minutes", "units_charged": 1, "price_nanos": 30_000_000,
        "price_units": 1, "credit_movement_nanos": -30_000_000, "currency": "EUR", "user_id": None, "destination": None,
        "rate_card_id": None, "destination_prefix": None, "rate_effective_from": None, "source_topic": "usage-events",
        "source_partition": 0, "source_offset": 0, "corrected_movement_id": None, "reason": None,
        "direction": None, "from_number": None, "campaign_id": None, "destination_name": None,
    } | fields  # fmt: skip


_NEVER_NULL = {
    "movement_id", "account_id", "interaction_id", "description", "occurred_at", "quantity", "unit", "units_charged",
    "price_nanos", "price_units", "credit_movement_nanos", "currency", "rate_effective_from", "source_topic",
    "source_partition", "source_offset",
}  # fmt: skip


def movements_table(movements: list[dict[str, Any]]) -> pl.DataFrame:
    """Movements as a table, its types right where all values of a column are null."""
    nullable = [name for name in minute() if name not in _NEVER_NULL]
    return pl.DataFrame(
        movements, schema_overrides={**dict.fromkeys(nullable, pl.String), "rate_effective_from": pl.Int64}
    )


def header(message: Message, name: str) -> str:
    (value,) = (value for key, value in message.headers() or [] if key == name)
    assert isinstance(value, bytes)
    return value.decode()
