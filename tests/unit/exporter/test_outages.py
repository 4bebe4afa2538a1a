"""The exporter waits an outage out, up to a limit. A bug ends it."""

import asyncio
import logging
import time

import pytest
from confluent_kafka import KafkaError, KafkaException

from exporter.foreign_outages import kafka_outages_named, schema_outages_named
from exporter.outages import waited_out
from exporter.storage.objects import StorageUnavailableError
from kafka_io.errors import Outage
from schemas.codec import UnregisteredSchemaError
from schemas.registry import RegistryUnavailableError


class Flaky:
    """Works after so many outages."""

    def __init__(self, outages: int, takes_seconds: float = 0.0) -> None:
        self.attempts = 0
        self._outages = outages
        self._takes_seconds = takes_seconds

    async def __call__(self) -> str:
        self.attempts += 1
        await asyncio.sleep(self._takes_seconds)
        if self.attempts <= self._outages:
            raise StorageUnavailableError(f"outage {self.attempts}")
        return "done"


def test_what_works_is_done_once() -> None:
    attempt = Flaky(0)
    assert asyncio.run(waited_out(attempt, "nothing works")) == "done"
    assert attempt.attempts == 1


def test_an_outage_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(waited_out(Flaky(3), "nothing works")) == "done"
    assert [record.getMessage() for record in caplog.records] == [
        "nothing works for 0 s: outage 1; trying again",
    ]


def test_an_outage_that_lasts_is_raised() -> None:
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        asyncio.run(waited_out(Flaky(10_000), "nothing works", within_seconds=0.5))
    assert 0.5 <= time.monotonic() - began < 5


def test_a_limit_of_nothing_allows_one_attempt() -> None:
    attempt = Flaky(10_000)
    with pytest.raises(StorageUnavailableError):
        asyncio.run(waited_out(attempt, "nothing works", within_seconds=0))
    assert attempt.attempts == 1


def test_the_limit_counts_from_the_first_outage_however_long_the_attempts_take() -> None:
    attempt = Flaky(1, takes_seconds=0.4)
    assert asyncio.run(waited_out(attempt, "nothing works", within_seconds=0.3)) == "done"


def test_a_bug_is_raised_at_once() -> None:
    async def bug() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        asyncio.run(waited_out(bug, "nothing works"))


@pytest.mark.parametrize("error", [RegistryUnavailableError("away"), UnregisteredSchemaError("not there yet")])
def test_a_registry_that_does_not_help_is_an_outage(error: Exception) -> None:
    with pytest.raises(Outage, match=str(error)), schema_outages_named():
        raise error


def test_what_the_client_of_kafka_says_of_an_outage_is_one() -> None:
    with pytest.raises(Outage, match="Timed out"), kafka_outages_named():
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
