"""Clients get the properties that the guarantees rest on."""

from typing import Any

import pytest

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
