"""A log of movements and a ClickHouse for one test alone."""

from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka.schema_registry import SchemaRegistryClient

from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.migrations import apply_migrations
from tests.integration.sink.movements_log import make_log
from tests.kafka.brokers import Kafka


@pytest.fixture
def log(kafka: Kafka) -> str:
    """The bootstrap address of a broker, each in turn, with an empty log of movements, for one test alone."""
    make_log(kafka.bootstrap_servers)
    return kafka.bootstrap_servers


@pytest.fixture
def dsn(database: str) -> str:
    apply_migrations(database)
    return database


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False) as client:
        yield client


@pytest.fixture
def codec(registry: str) -> Iterator[RecordCodec]:
    with SchemaRegistryClient({"url": registry}) as registry_client:
        yield RecordCodec(CREDIT_MOVEMENTS, SubjectSchemas(registry_client))
