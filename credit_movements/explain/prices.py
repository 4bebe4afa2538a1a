"""The published rates and the account's plans, as the raters knew them at a time."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
from confluent_kafka import Message

from credit_movements.explain.search import Search
from credit_movements.settings import Settings
from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.pricing.history import PriceHistory

_MICROS_PER_MILLI = 1000
# A rater takes a price about 3 s after it was published, a transaction can take long, and clocks differ.
_GRACE = timedelta(minutes=2) // timedelta(microseconds=1)

Codecs = Callable[[Topic], RecordCodec]


class Prices:
    """What is published, in its order, and when: all rates, and the plans of one account. No account's plans decide anything
    about another's."""

    def __init__(self, settings: Settings, search: Search, codecs: Codecs, account_id: str) -> None:
        """Raises StuckError, KafkaException, RegistryUnavailableError."""
        self._default_card = settings.default_rate_card or None
        self._rates = _published(search, codecs(RATES), RATES, b"")
        plans, at = _published(search, codecs(ACCOUNT_PLANS), ACCOUNT_PLANS, account_id.encode())
        is_own = plans["account_id"] == account_id
        self._plans = plans.filter(is_own), at[is_own.to_numpy()]

    def now(self) -> PriceHistory:
        """By all that is published."""
        return self._until(None)

    def as_rated(self, rated_at: int) -> list[PriceHistory]:
        """As the rater may have known them that wrote a movement at this time (microseconds), the likeliest first."""
        return [self._until(rated_at), self._until(rated_at - _GRACE), self._until(rated_at + _GRACE)]

    def _until(self, published_at: int | None) -> PriceHistory:
        history = PriceHistory(self._default_card)
        history.put_rates(_before(*self._rates, published_at))
        history.put_plans(_before(*self._plans, published_at))
        history.decide_plans()
        return history


def _published(
    search: Search, codec: RecordCodec, topic: Topic, needle: bytes
) -> tuple[pl.DataFrame, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The records whose values have these bytes, and when each was published, microseconds."""
    messages: list[Message] = []
    for some in search.all_of(TopicPartition(topic.name, 0)):
        messages += [message for message in some if needle in (message.value() or b"")]
    records = codec.decode([message.value() for message in messages]).rows
    times = np.array([message.timestamp()[1] * _MICROS_PER_MILLI for message in messages], dtype=np.int64)
    return records.drop("row"), times[records["row"].to_numpy()]


def _before(
    records: pl.DataFrame, at: np.ndarray[tuple[int], np.dtype[np.int64]], published_at: int | None
) -> pl.DataFrame:
    return records if published_at is None else records.filter(pl.Series(at <= published_at))
