"""The world of the fault tests, a broker and a database for one test alone; and an Apache Kafka where Tansu would not do."""

from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS
from tests.faults.conftest import (  # noqa: F401 - fixtures
    clickhouse_proxy,
    client,
    dsn,
    kafka_proxy,
    settings,
    world,
)
from tests.integration.movements_log import make_log
from tests.kafka.brokers import OWN, empty


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
