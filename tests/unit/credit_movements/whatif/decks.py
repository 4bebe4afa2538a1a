"""Rates and movements as tests write them."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from streams.pricing.rate_checks import RATE_COLUMNS
from streams.pricing.rates import micros_of


def at(day: int) -> int:
    """Noon of a day of October 2026 (0 is the last of September), in microseconds."""
    return micros_of(datetime(2026, 10, 1, 12, tzinfo=UTC)) + (day - 1) * 86_400 * 10**6


def rate(prefix: str = "49", cents: int = 20, begin: int = 1, **fields: Any) -> dict[str, Any]:
    """Calls by the second, at a price in hundredths for a minute, from the noon of a day on."""
    return {
        "rate_card_id": "default", "usage_type": "call", "destination_prefix": prefix, "destination_name": f"to {prefix}",
        "unit": "seconds", "unit_size": 1, "initial_increment": 1, "increment": 1, "price_nanos": cents * 10**7,
        "price_units": 60, "currency": "EUR", "effective_from": at(begin), "effective_to": None, **fields,
    }  # fmt: skip


def sms(prefix: str = "49", cents: int = 7, begin: int = 1, **fields: Any) -> dict[str, Any]:
    return rate(prefix, cents, begin, usage_type="sms", unit="fragments", price_units=1, **fields)


def rates_of(*rates: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rates), schema=RATE_COLUMNS)
