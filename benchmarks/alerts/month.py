"""A month of the company's movements, in the order in which they come: with fraud in it, and with what only looks like it.

The good traffic is the company's (`demo.generated`), rated by the rating itself. A record comes when a call ends, so the log is
not in the order of `occurred_at`.

Fraud: see `frauds`. Noise: a day of twice the traffic, a day of none, a colleague who begins in the middle of the month, a
journey with calls to another country, an hour's shift of all working hours as by summer time, six hours of records that come
late.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import polars as pl

from benchmarks.alerts.frauds import ALL, FIRST_DAY, HOUR, NOW, PREMIUM, SECOND, events_of
from credit_movements.demo.generated.accounts import ACCOUNTS, DAY_MICROS, plans
from credit_movements.demo.generated.deck import sample_deck
from credit_movements.demo.generated.top_ups import top_ups
from credit_movements.demo.generated.usage import event_ids, usage
from credit_movements.rating import limits_of
from credit_movements.settings import Settings
from schemas.partitioner import account_partitions
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS
from streams.events.sorted_keys import NONE
from streams.events.table import events_table
from streams.outcome import decide
from streams.pricing.deck.parsing import read_deck
from streams.pricing.history import PriceHistory
from streams.pricing.rating import PriceList

SEED: Final = 20
# What a minute costs there, in any currency.
_PREMIUM_PRICE_NANOS: Final = 1_800_000_000
_SECONDS_UNTIL_PUBLISHED: Final = 2


@dataclass(frozen=True)
class Month:
    """`movements`: columns of CreditMovement, in the order of the log; `logged_at`: when each was written (microseconds);
    `of_fraud`: which fraud each is part of, NONE for the others."""

    movements: pl.DataFrame
    logged_at: np.ndarray[tuple[int], np.dtype[np.int64]]
    of_fraud: np.ndarray[tuple[int], np.dtype[np.int64]]


def month(events: int, seed: int = SEED) -> Month:
    """Some `events` of good usage, and the rest of the month."""
    random = np.random.default_rng(seed)
    good = _with_noise(random, usage(random, NOW, events)).with_columns(pl.lit(NONE, pl.Int64).alias("of_fraud"))
    paid = top_ups(random, NOW, good)
    stolen = [
        events_of(random, fraud).with_columns(pl.lit(number, pl.Int64).alias("of_fraud"))
        for number, fraud in enumerate(ALL)
    ]
    used = pl.concat([good, *stolen], how="diagonal")
    is_timed = pl.col("usage_type").is_in(["call", "ai-voice-agents", "stt"])
    length = pl.when(is_timed).then("quantity").otherwise(0) + _SECONDS_UNTIL_PUBLISHED
    used = used.with_columns((pl.col("occurred_at") + length * SECOND).alias("logged_at"))
    paid = paid.with_columns(pl.col("occurred_at").alias("logged_at"), pl.lit(NONE, pl.Int64).alias("of_fraud"))
    together = pl.concat([_late(used), paid], how="diagonal").sort("logged_at", maintain_order=True)
    movements, moved = _rated(together)
    at = together[moved]
    return Month(movements, at["logged_at"].to_numpy(), at["of_fraud"].to_numpy().astype(np.int64))


def _with_noise(random: np.random.Generator, good: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("occurred_at") // DAY_MICROS - FIRST_DAY
    account = pl.col("account_id")
    # Twice the traffic on one day, and none on another.
    busy = good.filter((day == 17) & account.is_in([ACCOUNTS[number].account_id for number in (4, 7, 10)]))
    busy = busy.with_columns(pl.Series("event_id", event_ids(random, len(busy))))
    good = pl.concat([good, busy]).filter(~((day == 20) & (account == ACCOUNTS[5].account_id)))
    # A colleague takes over a fifth of the account's traffic.
    begins = (day >= 15) & (account == ACCOUNTS[0].account_id) & (pl.Series(random.random(len(good))) < 0.2)
    # Two days in a country where nobody has called before.
    travels = day.is_between(18, 19) & (pl.col("user_id") == "anna-1") & pl.col("destination").is_not_null()
    # From then on all come an hour later, as where summer time ends.
    shifted = pl.when((day >= 13) & account.is_in([ACCOUNTS[number].account_id for number in (1, 8, 13)]))
    return good.with_columns(
        pl.when(begins).then(pl.lit("new colleague-0")).otherwise("user_id").alias("user_id"),
        pl.when(travels)
        .then(pl.lit("+") + "61" + pl.col("destination").str.tail(9))
        .otherwise("destination")
        .alias("destination"),
        pl.min_horizontal(shifted.then(HOUR).otherwise(0) + pl.col("occurred_at"), NOW).alias("occurred_at"),
    )


def _late(used: pl.DataFrame) -> pl.DataFrame:
    """A publisher has stood still for six hours of one day; then all of them come."""
    stood_still = (FIRST_DAY + 23) * DAY_MICROS + 9 * HOUR
    is_late = pl.col("logged_at").is_between(stood_still, stood_still + 6 * HOUR) & (
        pl.col("account_id") == ACCOUNTS[11].account_id
    )
    return used.with_columns(pl.when(is_late).then(stood_still + 6 * HOUR).otherwise("logged_at").alias("logged_at"))


def _rated(together: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The movements, and which of the rows they are of."""
    numbered = together.with_columns(
        pl.int_range(len(together), dtype=pl.UInt32).alias("row"),
        pl.Series("partition", account_partitions(together["account_id"], 1)).cast(pl.Int64),
        pl.int_range(len(together)).alias("offset"),
        pl.col("logged_at").alias("recorded_at"),
        pl.col("logged_at").alias("newest_at"),
    )
    is_usage = pl.col("usage_type").is_not_null()
    parts = {USAGE_EVENTS.name: numbered.filter(is_usage), TOP_UP_EVENTS.name: numbered.filter(~is_usage)}
    of_topics = {
        topic: part.drop([column for column in ("amount_nanos", "currency") if topic == USAGE_EVENTS.name])
        for topic, part in parts.items()
    }
    of_topics[TOP_UP_EVENTS.name] = of_topics[TOP_UP_EVENTS.name].drop("quantity")
    events = events_table(of_topics)
    nobody = np.zeros(len(events), dtype=bool), np.zeros(len(events), dtype=np.uint64), np.full(len(events), -(2**62))
    outcomes = decide(events, lambda _, __: nobody, _prices(), 1, limits_of(Settings()))
    return outcomes.movements, outcomes.moved


def _prices() -> PriceList:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rates.csv"
        file.write_text(sample_deck(), encoding="utf-8")
        table = read_deck(file).table
    is_call = (pl.col("usage_type") == "call") & (pl.col("destination_prefix") == "1876")
    premium = table.filter(is_call).with_columns(
        pl.lit(PREMIUM).alias("destination_prefix"), pl.lit(_PREMIUM_PRICE_NANOS, pl.Int64).alias("price_nanos")
    )
    history = PriceHistory("default")
    history.put_rates(pl.concat([table, premium]).drop("line"))
    history.put_plans(plans(NOW))
    history.decide_plans()
    return history.price_list()
