"""The brokers that a test runs on: the embedded one, Apache Kafka, or one of your own."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from credit_movements.embedded.broker import broker_service
from credit_movements.embedded.ports import free_port
from credit_movements.supervision.processes import running
from tests.jars import not_tested_on

OWN = os.environ.get("CREDIT_TEST_KAFKA_BOOTSTRAP_SERVERS")
TANSU, APACHE_KAFKA = "tansu", "apache-kafka"
# What each test on a broker is run on.
BROKERS = ["own"] if OWN else [TANSU, APACHE_KAFKA]

_EMPTIED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Kafka:
    """A broker, and whether it is Tansu, which does not keep all of Kafka's promises."""

    bootstrap_servers: str
    is_tansu: bool = False


@contextmanager
def tansu(log_dir: Path) -> Iterator[Kafka]:
    """A new embedded broker: up in 0.2 s, with nothing in it."""
    port = free_port()
    with running(broker_service(port), log_dir):
        yield Kafka(f"127.0.0.1:{port}", is_tansu=True)


def without_apache_kafka(reason: str) -> NoReturn:
    """Skip the test, or fail it where CI runs: there Apache Kafka has to be."""
    not_tested_on("Apache Kafka", reason)


def empty(bootstrap_servers: str) -> None:
    """Delete all topics and groups; a group of processes that were killed is given up by Kafka first."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    delete_topics(admin, [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")])
    _wait_until(lambda: _groups_deleted(admin))


def delete_topics(admin: AdminClient, names: list[str]) -> None:
    """Delete topics and wait until the broker has noticed: a topic made anew at once might get its records into the old."""
    if names:
        for deleted in admin.delete_topics(names).values():
            deleted.result(10)
    _wait_until(lambda: not set(names) & admin.list_topics(timeout=10).topics.keys())


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _EMPTIED_WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "topics or groups are still there"
        time.sleep(0.02)


def _groups_deleted(admin: AdminClient) -> bool:
    groups = [group.group_id for group in admin.list_consumer_groups().result(10).valid]
    if not groups:
        return True
    for deleted in admin.delete_consumer_groups(groups).values():
        try:
            deleted.result(10)
        except KafkaException as failure:
            if failure.args[0].code() not in {KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_ID_NOT_FOUND}:
                raise
    return False
