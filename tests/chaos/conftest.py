"""A world of its own for each test module, on Apache Kafka."""

import os
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from credit_movements.settings import Settings
from tests.chaos.world import PARTITIONS, World
from tests.clickhouse.databases import own_database
from tests.conftest import free_port
from tests.kafka.brokers import OWN, empty


@pytest.fixture(scope="module")
def seed() -> int:
    """Of all that is random here. Printed where a test fails; to run it again, set CREDIT_TEST_SEED."""
    chosen = int(os.environ.get("CREDIT_TEST_SEED", random.randrange(10**6)))
    print(f"CREDIT_TEST_SEED={chosen}")
    return chosen


@pytest.fixture(scope="module")
def chaos_kafka(request: pytest.FixtureRequest) -> str:
    """The address of an Apache Kafka with nothing in it."""
    address: str = OWN or request.getfixturevalue("apache_broker")
    empty(address)
    return address


@contextmanager
def made_world(
    kafka: str, registry: str, clickhouse: str, folder: Path, seed: int, transaction_timeout_ms: int = 4000
) -> Iterator[World]:
    """Workers are given up soon when they are silent, and take little at once: there is always something in their hands."""
    with (
        own_database(clickhouse, "chaos") as dsn,
        closing(World(_settings(kafka, registry, dsn, folder, transaction_timeout_ms), seed, folder)) as world,
    ):
        yield world


def _settings(kafka: str, registry: str, dsn: str, folder: Path, transaction_timeout_ms: int) -> Settings:
    return Settings(
        kafka_bootstrap_servers=kafka, kafka_session_timeout_ms=1000,
        kafka_transaction_timeout_ms=transaction_timeout_ms, schema_registry_url=registry,
        clickhouse_dsn=dsn,
        data_dir=folder / "data", topic_partitions=PARTITIONS, rater_id="chaos", rater_batch_size=200,
        sink_batch_size=200, export_storage_url=(folder / "exports").as_uri(),
        export_link_secret="a secret of at least thirty-two bytes", rater_http_port=0, sink_http_port=0,
        export_http_port=free_port(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(
    chaos_kafka: str, registry: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> Iterator[World]:
    with made_world(chaos_kafka, registry, clickhouse, tmp_path_factory.mktemp("chaos"), seed) as world:
        yield world
