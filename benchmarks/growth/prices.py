"""Prices in the rater: rating by few prefixes and by many, and what one change, a start and a long history cost.

What Kafka's client does is left out: records come from a list, as the client gives them.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from statistics import median
from typing import Any, cast

import numpy as np
import polars as pl
from confluent_kafka import KafkaError, Message

from benchmarks.growth import Growth
from benchmarks.growth.shown import show
from schemas.codec import RecordCodec
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.events.table import EVENT_COLUMNS
from streams.price_feed import PriceFeed
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from streams.pricing.rating import Limits, PriceList, rate_batch

_NOW = 1_760_000_000_000_000
_DAY = 86_400 * 10**6
_EVENTS = 20_000
_ROUNDS = 15
_LIMITS = Limits(timedelta(days=35), timedelta(hours=1), 259_200, 10_000)
_SCHEMA_ID = 1
_END = KafkaError(KafkaError._PARTITION_EOF)
_PUBLISHED = 10
# Ten times as many, and an index of them that no longer fits into the processor's cache.
_START_AIM = 15.0


def measured(quick: bool) -> list[Growth]:
    few, some, many = (10, 2_000, 20_000) if quick else (10, 20_000, 200_000)
    small = _Prices(some, many // 2)
    large = _Prices(many, many * 5)
    history = _Prices(some, 0, revisions=10), _Prices(many, 0, revisions=10)
    rates, both = f"{some:,} / {many:,} rates", f"{some:,} rates, {many // 2:,} plans / {many:,}, {many * 5:,}"
    return [
        Growth("rating an event, processor", f"{few} / {many:,} prefixes", *_rating(few, many), "us"),
        Growth("start with all prices, processor", both, small.start_seconds, large.start_seconds, "s", _START_AIM),
        Growth(
            "start with ten revisions of each rate, processor",
            rates,
            *(each.start_seconds for each in history),
            "s",
            _START_AIM,
        ),
        Growth("one more rate, processor beside the loop", both, small.one_rate(), large.one_rate(), "ms", 2.0),
        Growth("one more plan, processor beside the loop", both, small.one_plan(), large.one_plan(), "ms", 2.0),
        Growth("rating stands still for it", both, small.stands_still(), large.stands_still(), "ms"),
    ]


class _Log:
    """Stands in for the consumer: what lies in `batches` comes, then the ends of both topics, then what is added."""

    def __init__(self, batches: Iterator[list[Message]]) -> None:
        self._batches = batches
        self._added: list[list[Message]] = []

    def add(self, batch: list[Message]) -> None:
        self._added.append(batch)

    def assign(self, _: Any) -> None:
        """All is there in order."""

    def consume(self, _: int, wait_seconds: float) -> list[Message]:
        for batch in self._batches:
            return batch
        if not self._added:
            time.sleep(wait_seconds)
        return self._added.pop() if self._added else []


class _Schemas:
    """Stands in for the registry."""

    def id_of(self, *_: str) -> int:
        return _SCHEMA_ID


class _Prices:
    """A price feed that has read so many rates and plans. `start_seconds`: the processor time that took."""

    def __init__(self, rates: int, plans: int, revisions: int = 1) -> None:
        self._codecs = {topic.name: _codec(topic) for topic in (RATES, ACCOUNT_PLANS)}
        self._accounts = plans
        messages = [
            *self._messages(RATES, _rates(rates, revisions)),
            *self._messages(ACCOUNT_PLANS, _plans(plans)),
            [
                Message(topic=topic, partition=0, offset=0, error=KafkaError(KafkaError._PARTITION_EOF))
                for topic in self._codecs
            ],
        ]
        self._log = _Log(iter(messages))
        del messages
        codecs = self._codecs.values()
        self._feed = PriceFeed(cast(Any, self._log), *codecs, "default", time.monotonic)
        began_at = time.process_time()
        self._feed.read_to_end(threading.Event())
        self.start_seconds = time.process_time() - began_at
        self._added = 0

    @property
    def prices(self) -> PriceList:
        return self._feed.prices

    def one_rate(self) -> float:
        return self._one_more(RATES, self._next_rate)

    def one_plan(self) -> float:
        return self._one_more(ACCOUNT_PLANS, self._next_plan)

    def stands_still(self) -> float:
        """By how many milliseconds the longest turn of a loop that rates is longer than most, while a price is published. The
        median of some, since other programs may disturb each."""
        events, found = _events(_EVENTS, self._accounts), []
        self._turns_until_level(events)
        for add in [self._next_rate, self._next_plan] * _PUBLISHED:
            self._log.add(add())
            turns = self._turns_until_level(events)
            found.append(max(turns) - median(turns))
        return median(found) * 1e3

    def _turns_until_level(self, events: pl.DataFrame) -> list[float]:
        """The seconds of each turn until what was published is in force."""
        published_at, turns = time.monotonic(), []
        while self._feed.level_at_seconds < published_at:
            began_at = time.perf_counter()
            self._feed.refresh()
            rate_batch(events, self._feed.prices, _LIMITS)
            turns.append(time.perf_counter() - began_at)
        return turns

    def _one_more(self, topic: Topic, make: Callable[[], list[Message]]) -> float:
        """Milliseconds of processor time to read it and to make the next list."""
        found = []
        for _ in range(_ROUNDS):
            self._log.add(make())
            began_at = time.process_time()
            self._feed._reader.read_new()
            found.append(time.process_time() - began_at)
        return min(found) * 1e3

    def _next_rate(self) -> list[Message]:
        self._added += 1
        return next(self._messages(RATES, _rates(1).with_columns(effective_from=pl.lit(_NOW + self._added, pl.Int64))))

    def _next_plan(self) -> list[Message]:
        self._added += 1
        return next(self._messages(ACCOUNT_PLANS, _plans(1, f"new-{self._added}-")))

    def _messages(self, topic: Topic, records: pl.DataFrame) -> Iterator[list[Message]]:
        for piece in records.iter_slices(10_000):
            values = self._codecs[topic.name].encode(piece)
            yield [Message(topic=topic.name, partition=0, offset=at, value=value) for at, value in enumerate(values)]


def _codec(topic: Topic) -> RecordCodec:
    schemas = _Schemas()
    codec = RecordCodec(topic, cast(Any, schemas))
    codec._known = {_SCHEMA_ID: codec._own_text}
    return codec


def _rating(few: int, many: int) -> Iterator[float]:
    """Microseconds of processor time an event, by few prefixes and by many; the events are the same."""
    events = _events(_EVENTS, 1_000)
    for count in (few, many):
        prices = _Prices(count, 1_000).prices
        found = []
        for _ in range(_ROUNDS):
            began_at = time.process_time()
            rate_batch(events, prices, _LIMITS)
            found.append(time.process_time() - began_at)
        yield min(found) / len(events) * 1e6


def _prefixes(count: int) -> list[str]:
    """Of one to eight digits, some within others, as price lists have them; and '' for all else."""
    random, found = Random(1), {""}
    while len(found) < count:
        found.add(str(random.randrange(1, 10 ** random.randint(1, 8))))
    return sorted(found)


def _rates(count: int, revisions: int = 1) -> pl.DataFrame:
    prefixes = pl.DataFrame({"destination_prefix": _prefixes(count)})
    rates = prefixes.select(
        pl.lit("default").alias("rate_card_id"),
        pl.lit("call").alias("usage_type"),
        "destination_prefix",
        ("Country " + pl.col("destination_prefix")).alias("destination_name"),
        pl.lit("seconds").alias("unit"),
        pl.lit(1).alias("unit_size"),
        pl.lit(60).alias("initial_increment"),
        pl.lit(1).alias("increment"),
        (pl.int_range(pl.len()) * 1_000).alias("price_nanos"),
        pl.lit(60).alias("price_units"),
        pl.lit("EUR").alias("currency"),
        pl.lit(_NOW - 400 * _DAY).alias("effective_from"),
        pl.lit(None).alias("effective_to"),
    )
    every = [rates.with_columns(pl.col("effective_from") + number * 30 * _DAY) for number in range(revisions)]
    return pl.concat(every).cast(cast(Any, RATE_COLUMNS))


def _plans(count: int, name: str = "account-") -> pl.DataFrame:
    accounts = pl.DataFrame({"number": range(count)}, schema={"number": pl.Int64})
    return accounts.select(
        pl.format(f"{name}{{}}", "number").alias("account_id"),
        pl.lit("default").alias("rate_card_id"),
        pl.lit(_NOW - 300 * _DAY).alias("effective_from"),
    ).cast(cast(Any, PLAN_COLUMNS))


def _events(count: int, accounts: int) -> pl.DataFrame:
    numbers = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "source_topic": ["usage-events"] * count,
            "account_id": [f"account-{each}" for each in numbers.integers(0, max(accounts, 1), count)],
            "usage_type": ["call"] * count,
            "quantity": numbers.integers(1, 1_000, count),
            "destination": [f"+{each}" for each in numbers.integers(10**10, 10**12, count)],
            "occurred_at": np.full(count, _NOW),
            "amount_nanos": None,
            "currency": None,
        }
    ).cast({name: EVENT_COLUMNS[name] for name in ("amount_nanos", "currency")})


if __name__ == "__main__":
    show(measured("--quick" in sys.argv))
