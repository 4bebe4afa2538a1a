"""Price lists for tests, made as the rater makes them."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from streams.pricing.history import PriceHistory
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from streams.pricing.rating import PriceList

Record = Mapping[str, Any]


def history_of(rates: Iterable[Record], plans: Iterable[Record] = (), default: str | None = "default") -> PriceHistory:
    """Records that are good by themselves; of the plans those stand that the rates let stand."""
    history = PriceHistory(default)
    taken = history.put_rates(pl.DataFrame(list(rates), schema=RATE_COLUMNS))
    of_plans = history.put_plans(pl.DataFrame(list(plans), schema=PLAN_COLUMNS))
    assert (taken.refused, of_plans.refused) == ({}, {})
    history.decide_plans()
    return history


def price_list(rates: Iterable[Record], plans: Iterable[Record] = (), default: str | None = "default") -> PriceList:
    return history_of(rates, plans, default).price_list()
