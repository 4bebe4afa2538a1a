"""What the customers pay: round sums, often enough that their credit lasts."""

from typing import Final

import numpy as np
import polars as pl

from credit_movements.demo.generated.accounts import ACCOUNTS, DAY_MICROS
from credit_movements.demo.generated.usage import DAYS_OF_TRAFFIC, event_ids

NANOS: Final = 10**9
# Well over what an event costs on the average, so that few run out of credit.
_NANOS_AN_EVENT: Final = 120_000_000
_SUMS: Final = (10, 20, 25, 50, 100, 200, 250, 500, 1_000, 2_500)
_PAYMENTS: Final = 6

Generator = np.random.Generator


def top_ups(random: Generator, now_micros: int, usage_events: pl.DataFrame) -> pl.DataFrame:
    """TopUpEvents by `occurred_at`: each account pays in the first hours, and then every few days."""
    used = dict(usage_events.group_by("account_id").len().iter_rows())
    rows = []
    for account in ACCOUNTS:
        amount = _sum_above(used.get(account.account_id, 0) * _NANOS_AN_EVENT / _PAYMENTS / NANOS)
        for instant in _instants(random, now_micros):
            odd_cents = 490_000_000 if random.random() < 0.1 else 0
            rows.append((account.account_id, amount * NANOS + odd_cents, account.currency, instant))
    schema = {"account_id": pl.String, "amount_nanos": pl.Int64, "currency": pl.String, "occurred_at": pl.Int64}
    table = pl.DataFrame(rows, schema=schema, orient="row").sort("occurred_at", maintain_order=True)
    return table.with_columns(
        pl.Series("event_id", event_ids(random, len(table))),
        pl.concat_str(pl.lit("PAY-"), pl.int_range(100_000, 100_000 + len(table))).alias("interaction_id"),
    )


def _sum_above(amount: float) -> int:
    return next((each for each in _SUMS if each >= amount), _SUMS[-1])


def _instants(random: Generator, now_micros: int) -> list[int]:
    start = now_micros - now_micros % DAY_MICROS - DAYS_OF_TRAFFIC * DAY_MICROS
    first = start + int(random.integers(1, DAY_MICROS // 4))
    later = random.integers(first + 1, now_micros, size=_PAYMENTS - 1)
    return [first, *later.tolist()]
