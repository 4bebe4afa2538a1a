"""A Kafka for one test alone, with the contract's topics."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from credit_movements.settings import Settings
from credit_movements.setup.provision import make_topics
from tests.conftest import PREFIX
from tests.integration.stack import Stack
from tests.kafka.brokers import OWN, Kafka


@pytest.fixture
def settings(kafka: Kafka, registry: str, tmp_path: Path) -> Settings:
    """A worker's settings: 4 partitions, and a short session, so that a silent worker loses them soon. On Apache Kafka all
    names have a prefix, on Tansu none."""
    return Settings(
        kafka_prefix="" if kafka.is_tansu or OWN or "CREDIT_TEST_SCHEMA_REGISTRY_URL" in os.environ else PREFIX,
        kafka_bootstrap_servers=kafka.bootstrap_servers, kafka_session_timeout_ms=2000, schema_registry_url=registry,
        data_dir=tmp_path, topic_partitions=4, rater_id="test", rater_http_port=0,
    )  # fmt: skip


@pytest.fixture
def stack(settings: Settings) -> Iterator[Stack]:
    """All topics, with nothing in them, on each broker in turn."""
    make_topics(settings)
    with Stack(settings) as stack:
        yield stack
