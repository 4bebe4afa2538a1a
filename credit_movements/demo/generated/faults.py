"""Bad events: repeated, contradictory, or wrong in each way that rule 3.6 of the contract names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from credit_movements.demo.generated.accounts import ACCOUNTS, DAY_MICROS
from credit_movements.demo.generated.usage import event_ids
from schemas.dead_letters import Reason

MOVEMENT: Final = "movement"
DUPLICATE: Final = "duplicate"
_MINUTE_MICROS: Final = 60_000_000
_MEAN_DELAY_MICROS: Final = 20 * _MINUTE_MICROS

Generator = np.random.Generator
Changes = Mapping[str, pl.Expr]


@dataclass(frozen=True)
class Fault:
    """What is changed in a good event (one for which `where` holds) to make it bad, and the reason it must be given."""

    reason: Reason
    changes: Changes
    where: pl.Expr | None = None


def _id_faults(now_micros: int) -> list[Fault]:
    changes: list[Changes] = [
        {"event_id": pl.col("event_id").str.to_uppercase()},
        {"event_id": pl.col("event_id").str.replace_all("-", "")},
        {"account_id": pl.lit("")},
        {"account_id": pl.lit("a" * 129)},
        {"interaction_id": pl.lit("")},
        {"occurred_at": pl.lit(now_micros - 36 * DAY_MICROS)},
        {"occurred_at": pl.lit(now_micros + 2 * DAY_MICROS)},
        {"occurred_at": pl.lit(2**63 - 1)},
    ]
    return [Fault(Reason.INVALID_EVENT, each) for each in changes]


def usage_faults(now_micros: int) -> list[Fault]:
    """The ways in which a UsageEvent that can be decoded is bad."""
    # The default card has no price for the rest of the world; the others have.
    on_default_card = [each.account_id for each in ACCOUNTS if each.stays_on_default_card]
    calls = pl.col("usage_type") == "call"
    on_default = pl.col("account_id").is_in(on_default_card) & calls
    return [
        *_id_faults(now_micros),
        Fault(Reason.INVALID_EVENT, {"user_id": pl.lit("")}),
        Fault(Reason.QUANTITY_OUT_OF_RANGE, {"quantity": -1 - pl.col("quantity")}),
        Fault(Reason.QUANTITY_OUT_OF_RANGE, {"quantity": pl.lit(72 * 3600 + 1)}, calls),
        Fault(Reason.QUANTITY_OUT_OF_RANGE, {"quantity": pl.lit(10_001)}, pl.col("usage_type") == "sms"),
        Fault(Reason.QUANTITY_OUT_OF_RANGE, {"quantity": pl.lit(2**63 - 1)}, pl.col("usage_type") == "stt"),
        Fault(Reason.NO_RATE, {"usage_type": pl.lit("fax")}),
        Fault(Reason.NO_RATE, {"destination": pl.lit("+999 123456")}, on_default),
        Fault(Reason.NO_RATE, {"destination": pl.lit(None, pl.String)}, on_default),
        Fault(Reason.NO_RATE, {"destination": pl.lit("anonymous")}, on_default),
    ]


def top_up_faults(now_micros: int) -> list[Fault]:
    """The ways in which a TopUpEvent that can be decoded is bad."""
    other = pl.when(pl.col("currency") == "EUR").then(pl.lit("USD")).otherwise(pl.lit("EUR"))
    return [
        *_id_faults(now_micros),
        Fault(Reason.CURRENCY_MISMATCH, {"currency": other}),
        Fault(Reason.CURRENCY_MISMATCH, {"currency": pl.lit("JPY")}),
        Fault(Reason.AMOUNT_OUT_OF_RANGE, {"amount_nanos": pl.lit(10**18)}),
        Fault(Reason.AMOUNT_OUT_OF_RANGE, {"amount_nanos": pl.lit(2**63 - 1)}),
    ]


def with_faults(
    random: Generator, good: pl.DataFrame, faults: list[Fault], content: str, duplicates: int, each: int
) -> pl.DataFrame:
    """`good` in the order of publishing, and among it `duplicates`, and `each` of conflicts and of every fault.

    Adds the column `outcome`: movement, duplicate or a Reason. A duplicate, or a conflict (with another value in the
    integer column `content`), comes after its original, a while later.
    """
    first = good.with_columns(pl.lit(MOVEMENT).alias("outcome"), pl.col("occurred_at").alias("sent_at"))
    again = _later(random, first, duplicates).with_columns(pl.lit(DUPLICATE).alias("outcome"))
    contradictions = _later(random, first, each).with_columns(
        pl.lit(Reason.CONFLICT.value).alias("outcome"), pl.col(content) + 1
    )
    bad = [_faulty(random, first, fault, each) for fault in faults]
    return pl.concat([first, again, contradictions, *bad]).sort("sent_at", maintain_order=True).drop("sent_at")


def _later(random: Generator, events: pl.DataFrame, count: int) -> pl.DataFrame:
    chosen = events[random.choice(len(events), size=count, replace=False)]
    delays = 1 + random.exponential(_MEAN_DELAY_MICROS, size=count).astype(np.int64)
    return chosen.with_columns(pl.col("sent_at") + pl.Series(delays))


def _faulty(random: Generator, events: pl.DataFrame, fault: Fault, count: int) -> pl.DataFrame:
    candidates = events if fault.where is None else events.filter(fault.where)
    chosen = candidates[random.choice(len(candidates), size=count)]
    fresh = chosen.with_columns(pl.Series("event_id", event_ids(random, count)))
    bad = fresh.with_columns(pl.lit(fault.reason.value).alias("outcome"), **fault.changes)
    return bad.cast(events.schema)  # literals are Int32
