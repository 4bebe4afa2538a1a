"""The world of the fault tests, a broker and a database for one test alone; and an Apache Kafka where Tansu would not do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka.schema_registry import SchemaRegistryClient

from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS
from tests.faults.conftest import (  # noqa: F401 - fixtures
    broker_behind_a_proxy,
    clickhouse_proxy,
    client,
    dsn,
    kafka_proxy,
    settings,
    settings_behind,
    world,
    world_behind,
)
from tests.faults.proxy import Proxy
from tests.faults.world import World
from tests.integration.sink.movements_log import make_log
from tests.kafka.brokers import APACHE_KAFKA, OWN, empty


@pytest.fixture
def apache_log(request: pytest.FixtureRequest) -> str:
    """The address of an Apache Kafka that has an empty log of movements and nothing else."""
    address: str = OWN or request.getfixturevalue("apache_broker")
    empty(address)
    make_log(address)
    return address


@pytest.fixture
def codec(registry: str) -> Iterator[RecordCodec]:
    with SchemaRegistryClient({"url": registry}) as registry_client:
        yield RecordCodec(CREDIT_MOVEMENTS, SubjectSchemas(registry_client))


@pytest.fixture
def apache_world(
    clickhouse_proxy: Proxy,  # noqa: F811 - a fixture
    client: Client,  # noqa: F811
    dsn: str,  # noqa: F811
    registry: str,
    log_dir: Path,
    tmp_path: Path,
) -> Iterator[World]:
    """The same world on Apache Kafka."""
    with broker_behind_a_proxy(APACHE_KAFKA, log_dir, tmp_path) as kafka:
        behind = settings_behind(kafka, clickhouse_proxy, dsn, registry, tmp_path)
        with world_behind(behind, client, kafka, clickhouse_proxy) as world:
            yield world
