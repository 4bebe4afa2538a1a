"""The prices that are published, as the raters have them."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from credit_movements import clients
from credit_movements.publishing.published import Published
from credit_movements.settings import Settings


@dataclass(frozen=True)
class Prices:
    """`rates` (RATE_COLUMNS) and `plans` (PLAN_COLUMNS) that stand."""

    rates: pl.DataFrame
    plans: pl.DataFrame


def read_prices(settings: Settings, on_progress: Callable[[str, int], None]) -> Prices:
    """Raises UnreachableError, StuckError, KafkaException, RegistryUnavailableError."""
    clients.check_kafka(settings)
    published = Published(settings, on_read=lambda count: on_progress("reading what is published", count))
    published.read_on()
    published.history.decide_plans()
    return Prices(published.history.rates, published.history.standing_plans())
