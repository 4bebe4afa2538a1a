"""Clients get the properties that the guarantees rest on."""

from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from credit_movements import clients
from credit_movements.settings import Settings


@pytest.mark.parametrize(
    ("setting_ms", "records", "granted_ms"),
    [(15_000, 1, 15_000), (15_000, 200_000, 35_000), (15_000, 10**9, 900_000), (1_000_000, 10**9, 1_000_000)],
)
def test_the_transaction_of_many_prices_may_last_longer(
    monkeypatch: pytest.MonkeyPatch, setting_ms: int, records: int, granted_ms: int
) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(clients, "Producer", lambda properties, **_: made.append(properties))
    settings = Settings(kafka_bootstrap_servers="kafka:9092", kafka_transaction_timeout_ms=setting_ms)
    clients.price_producer(settings, records)
    assert [each["transaction.timeout.ms"] for each in made] == [granted_ms]


def test_a_prefix_is_in_front_of_all_that_kafka_and_the_registry_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    for client in ("PrefixedConsumer", "PrefixedProducer"):
        monkeypatch.setattr(clients, client, lambda names, properties, **_: made.append(properties))
    settings = Settings(kafka_bootstrap_servers="kafka:9092", kafka_prefix="acme.", rater_id="1")
    clients.group_consumer(settings, "sink", **{"group.id": "sink"})
    clients.reading_consumer(settings, "log")
    clients.price_producer(settings, 1)
    clients.producer(settings)
    assert [each["client.id"] for each in made] == ["acme.credit-movements"] * 4
    assert [each["group.id"] for each in made[:2]] == ["acme.sink", "acme.credit-movements-log-reader"]
    assert made[2]["transactional.id"] == "acme.credit-movements-prices"
    assert clients.transactional_id(settings, "rater", settings.rater_id) == "acme.rater-1"
    assert str(clients.missing_topics(settings, "rates")) == (
        "Kafka lacks the topics acme.rates: run `credit-movements setup`"
    )


def test_without_a_prefix_the_plain_clients_are_used() -> None:
    settings = Settings(kafka_bootstrap_servers="kafka:9092", kafka_config={"client.id": "ours"})
    assert clients.kafka_common(settings)["client.id"] == "ours"
    consumer = clients.group_consumer(settings, "sink")
    consumer.close()
    assert type(consumer) is Consumer
    assert type(clients.producer(settings)) is Producer
