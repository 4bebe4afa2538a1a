"""A broker and a database for one test alone, each behind a proxy that fails on demand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from credit_movements import clickhouse
from credit_movements.embedded.broker import broker_service
from credit_movements.embedded.ports import free_port
from credit_movements.settings import Settings
from credit_movements.setup.provision import make_topics
from credit_movements.supervision.processes import Service, running
from sinks.write.migrations import apply_migrations
from tests.faults.proxy import Proxy, proxied
from tests.faults.world import World
from tests.integration.stack import Stack
from tests.jars import NoJarsError
from tests.kafka.apache_kafka import ApacheKafka, fetched_jars
from tests.kafka.brokers import APACHE_KAFKA, TANSU, without_apache_kafka

# A hung ClickHouse is given up after this instead of a minute.
ANSWER_SECONDS = 2


@pytest.fixture
def kafka_proxy(request: pytest.FixtureRequest, log_dir: Path, tmp_path: Path) -> Iterator[Proxy]:
    """Before a broker of the test's own: the embedded one, or the one that the test's parameter names."""
    with broker_behind_a_proxy(getattr(request, "param", TANSU), log_dir, tmp_path) as proxy:
        yield proxy


@contextmanager
def broker_behind_a_proxy(name: str, log_dir: Path, folder: Path) -> Iterator[Proxy]:
    """A new broker that tells its clients the proxy's address as its own."""
    port = free_port()
    with proxied(port) as proxy:
        service = _apache_kafka_behind if name == APACHE_KAFKA else _tansu_behind
        with running(service(proxy, port, folder / "apache-kafka"), log_dir):
            yield proxy


def _tansu_behind(proxy: Proxy, port: int, _: Path) -> Service:
    service = broker_service(port)
    advertised = f"--advertised-listener-url=tcp://127.0.0.1:{proxy.port}"
    command = [advertised if "--advertised" in argument else argument for argument in service.command]
    return replace(service, command=tuple(command))


def _apache_kafka_behind(proxy: Proxy, port: int, folder: Path) -> Service:
    try:
        broker = ApacheKafka(folder, fetched_jars(), port, free_port(), advertised_port=proxy.port)
    except NoJarsError as error:
        without_apache_kafka(str(error))
    broker.format()
    return broker.service()


@pytest.fixture
def dsn(database: str) -> str:
    """A database of the test's own, around the proxy."""
    apply_migrations(database)
    return database


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False) as client:
        # What was written twice shall be seen to have been.
        client.command("SYSTEM STOP MERGES credit_movements")
        yield client


@pytest.fixture
def clickhouse_proxy(dsn: str) -> Iterator[Proxy]:
    with proxied(port_of(dsn)) as proxy:
        yield proxy


def port_of(dsn: str) -> int:
    return int(dsn.rsplit(":", 1)[1].split("/")[0])


@pytest.fixture
def settings(kafka_proxy: Proxy, clickhouse_proxy: Proxy, dsn: str, registry: str, tmp_path: Path) -> Settings:
    """What the workers are told."""
    return settings_behind(kafka_proxy, clickhouse_proxy, dsn, registry, tmp_path)


def settings_behind(kafka: Proxy, clickhouse: Proxy, dsn: str, registry: str, folder: Path) -> Settings:
    behind = dsn.replace(f":{port_of(dsn)}/", f":{clickhouse.port}/")
    return Settings(
        kafka_bootstrap_servers=f"127.0.0.1:{kafka.port}", kafka_session_timeout_ms=2000,
        schema_registry_url=registry, clickhouse_dsn=SecretStr(behind), data_dir=folder, topic_partitions=4,
        rater_id="test", rater_http_port=0, sink_http_port=0, sink_batch_size=500,
    )  # fmt: skip


@pytest.fixture
def world(
    settings: Settings, client: Client, kafka_proxy: Proxy, clickhouse_proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setattr(clickhouse, "_ANSWER_SECONDS", ANSWER_SECONDS)
    with world_behind(settings, client, kafka_proxy, clickhouse_proxy) as world:
        yield world


@contextmanager
def world_behind(settings: Settings, client: Client, kafka: Proxy, clickhouse: Proxy) -> Iterator[World]:
    make_topics(settings)
    with Stack(settings) as stack:
        world = World(stack, client, kafka, clickhouse)
        world.publish_rate()
        yield world
