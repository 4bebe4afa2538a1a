"""The price feed loses no price and refuses none twice, though the schema registry is away when the price comes."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, Message

from schemas.codec import RecordCodec
from schemas.registry import RegistryUnavailableError
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.price_feed import PriceFeed
from tests.unit.schemas.test_codec import RegisteredSchemas
from tests.unit.streams.at_once import AtOnce
from tests.unit.streams.test_outcome import rate

AT_END = [
    Message(topic=topic.name, partition=0, offset=0, error=KafkaError(KafkaError._PARTITION_EOF))
    for topic in (RATES, ACCOUNT_PLANS)
]
PLAN = {"account_id": "acme", "rate_card_id": "default", "effective_from": 0}


class _Registry(RegisteredSchemas):
    """It is away when it is asked for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True

    def versions(self, subject: str) -> dict[int, str]:
        if self.is_away:
            self.is_away = False
            raise RegistryUnavailableError("away")
        return super().versions(subject)


class _Consumer:
    def __init__(self, *batches: list[Message]) -> None:
        self._batches: Iterator[list[Message]] = iter(batches)

    def assign(self, _: Any) -> None:
        """From the beginning, where it is."""

    def consume(self, _: int, __: float) -> list[Message]:
        return next(self._batches, [])


def encoded(topic: Topic, offset: int, record: dict[str, Any]) -> Message:
    value = RecordCodec(topic, cast(Any, RegisteredSchemas())).encode_one(record)
    return Message(topic=topic.name, partition=0, offset=offset, value=value)


def _feed(*batches: list[Message]) -> PriceFeed:
    rates, plans = (RecordCodec(topic, cast(Any, _Registry())) for topic in (RATES, ACCOUNT_PLANS))
    return PriceFeed(cast(Any, _Consumer(*batches)), rates, plans, "default", lambda: 0.0, AtOnce())


def test_a_price_that_comes_while_the_registry_is_away_is_in_force_when_it_is_back() -> None:
    feed = _feed(AT_END, [encoded(RATES, 0, rate(effective_from=0))])
    feed.read_to_end(threading.Event())
    with pytest.raises(RegistryUnavailableError):
        feed.refresh()
    feed.refresh()
    assert len(feed.prices.numbers) == 2


def test_a_bad_price_is_refused_once_though_the_registry_was_away_at_the_start() -> None:
    bad = encoded(RATES, 0, rate(effective_from=0) | {"price_units": 0})
    feed = _feed([bad], [encoded(ACCOUNT_PLANS, 0, PLAN)], AT_END)
    for _ in range(2):
        with pytest.raises(RegistryUnavailableError):
            feed.read_to_end(threading.Event())
    feed.read_to_end(threading.Event())
    assert [(price.position.offset, price.reason.value) for price in feed.refused] == [(0, "invalid_event")]
