"""Rates movements of the ledger anew, by the raters' own functions, and adds up what is the difference. Pure.

A movement that the other prices would refuse has no other amount: it is counted by the check that it fails, and belongs to no
sum. Sums are exact, however large: a block is added up in 64 bits where they surely fit, and in 128 where not.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.topics import USAGE_EVENTS
from streams.events.sorted_keys import Ints
from streams.pricing.checks import CHECKS, Check
from streams.pricing.rating import PASSED, Limits, PriceList, mark, rate_batch

# By what the sums are kept, each with the currency of the movements.
ACCOUNT, USAGE_TYPE, PREFIX = "account_id", "usage_type", "destination_prefix"
DIMENSIONS = (ACCOUNT, USAGE_TYPE, PREFIX)
CURRENCY = "currency_code"
_SUMMED = ("paid", "anew")
_SAFE = 2**62
# So many rows of parts are kept before they are put together.
_MOST_PARTS = 1_000_000


@dataclass(frozen=True)
class RatedAnew:
    """Of each movement of a block `nanos`, what it would be (negative = charge), and `failed`: PASSED, or the index in CHECKS
    of the check that it would fail (its nanos then mean nothing)."""

    nanos: Ints
    failed: Ints

    @property
    def is_rated(self) -> npt.NDArray[np.bool_]:
        is_rated: npt.NDArray[np.bool_] = self.failed == PASSED
        return is_rated


def rate_anew(movements: pl.DataFrame, prices: PriceList, limits: Limits, at_micros: int | None = None) -> RatedAnew:
    """Rate movements of usage (the columns of `sinks.read.usage`). `at_micros`: as if all of them had happened then."""
    at = pl.col("occurred_at_micros") if at_micros is None else pl.lit(at_micros, dtype=pl.Int64)
    events = movements.select(
        ACCOUNT,
        USAGE_TYPE,
        "quantity",
        "destination",
        at.alias("occurred_at"),
        pl.lit(USAGE_EVENTS.name).alias("source_topic"),
        pl.lit(None, dtype=pl.Int64).alias("amount_nanos"),
        pl.lit(None, dtype=pl.String).alias("currency"),
        pl.lit(None, dtype=pl.String).alias("kind"),
    )
    priced, failed = rate_batch(events, prices, limits)
    other_currency = (priced["currency"] != movements[CURRENCY]).fill_null(False).to_numpy()
    mark(failed, other_currency, Check.CURRENCY)
    return RatedAnew(priced["credit_movement_nanos"].to_numpy(), failed)


@dataclass
class Sums:
    """What was paid and what would have been, by each of DIMENSIONS and currency. `refused`: how many movements have no other
    amount, by check."""

    movements: int = 0
    refused: Counter[Check] = field(default_factory=Counter)
    _parts: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: {name: [] for name in DIMENSIONS})

    def add(self, movements: pl.DataFrame, paid: Ints, anew: RatedAnew) -> None:
        """Add a block. `paid`: what each movement came to, with what has corrected it."""
        self.movements += len(movements)
        is_rated = anew.is_rated
        table = movements.select(*DIMENSIONS, CURRENCY).with_columns(
            pl.Series("paid", paid), pl.Series("anew", anew.nanos)
        )
        if not is_rated.all():
            failed, counts = np.unique(anew.failed[~is_rated], return_counts=True)
            self.refused.update({CHECKS[index]: int(count) for index, count in zip(failed, counts, strict=True)})
            table = table.filter(pl.Series(is_rated))
        if len(table):
            self._put(table)

    def by(self, name: str) -> pl.DataFrame:
        """`name`, currency_code, movements, paid, anew, difference (128 bits wide, in nanos); the largest difference first."""
        whole = _added(name, self._parts[name]) if self._parts[name] else _nothing(name)
        difference = pl.col("anew") - pl.col("paid")
        whole = whole.with_columns(difference.alias("difference"))
        return whole.sort(pl.col("difference").abs(), CURRENCY, name, descending=[True, False, False])

    def _put(self, table: pl.DataFrame) -> None:
        most = max(abs(int(bound)) for name in _SUMMED for bound in (table[name].min(), table[name].max()))  # type: ignore[arg-type]  # they are whole numbers
        wide = pl.Int64 if most * len(table) < _SAFE else pl.Int128
        sums = [pl.col(name).cast(wide).sum().cast(pl.Int128) for name in _SUMMED]
        count = pl.len().cast(pl.Int64).alias("movements")
        for name, parts in self._parts.items():
            parts.append(table.group_by(name, CURRENCY).agg(count, *sums))
            if len(parts) > 1 and sum(map(len, parts)) > _MOST_PARTS:
                parts[:] = [_added(name, parts)]


def _added(name: str, parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).group_by(name, CURRENCY).agg(pl.col("movements", *_SUMMED).sum())


def _nothing(name: str) -> pl.DataFrame:
    numbers = {"movements": pl.Int64(), **dict.fromkeys(_SUMMED, pl.Int128())}
    return pl.DataFrame(schema={name: pl.String(), CURRENCY: pl.String(), **numbers})
