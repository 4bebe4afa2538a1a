"""Real servers for the tests, each started once: the embedded broker, ClickHouse and registry on free ports.

The same tests run against servers of your own: name them in CREDIT_TEST_KAFKA_BOOTSTRAP_SERVERS,
CREDIT_TEST_CLICKHOUSE_DSN and CREDIT_TEST_SCHEMA_REGISTRY_URL. They must be empty and hold nothing of value.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from credit_movements.embedded.broker import broker_service
from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service, registry_service
from credit_movements.processes import running


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody used a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of this test run write what they have to say."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def broker(log_dir: Path) -> Iterator[str]:
    """The bootstrap address of a Kafka-compatible broker. It is shared: use topics and groups of your own."""
    if own := os.environ.get("CREDIT_TEST_KAFKA_BOOTSTRAP_SERVERS"):
        yield own
        return
    port = free_port()
    with running(broker_service(port), log_dir):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def registry(log_dir: Path) -> Iterator[str]:
    """The URL of a Confluent-compatible schema registry that holds the contract's schemas."""
    if own := os.environ.get("CREDIT_TEST_SCHEMA_REGISTRY_URL"):
        yield own
        return
    port = free_port()
    with running(registry_service(port), log_dir):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def clickhouse(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of a ClickHouse server. It is shared: use a database or tables of your own."""
    if own := os.environ.get("CREDIT_TEST_CLICKHOUSE_DSN"):
        yield own
        return
    port, password = free_port(), "a-password-for-tests"
    with running(clickhouse_service(tmp_path_factory.mktemp("clickhouse"), port, password), log_dir):
        yield clickhouse_dsn(port, password)
