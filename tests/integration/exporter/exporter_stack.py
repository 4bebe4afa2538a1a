"""The exporter between real servers, and what the teams around it do: publish, insert, ask, download."""

import http.client
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient

from credit_movements.embedded.broker import broker_service
from credit_movements.supervision.processes import running
from schemas.codec import RecordCodec
from schemas.partitioner import account_partition
from schemas.registry import SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS, EXPORT_NOTIFICATIONS, EXPORT_REQUESTS, dead_letter_topic
from sinks.write.columns import movement_columns
from sinks.write.migrations import apply_migrations
from tests.clickhouse.databases import own_database
from tests.conftest import free_port
from tests.integration.records import minute, movements_table
from tests.nursery import begun

PARTITIONS = 3
SECRET = "a secret of at least thirty-two bytes"
TOKEN = "a token of at least thirty-two bytes"
LOG_ID = "log-1"
DEAD_LETTERS = dead_letter_topic(EXPORT_REQUESTS)
HEADER = "Date & Time,Interaction ID,Description,Units,Units charged,Value per unit,Credit movement\r\n"


def now_micros() -> int:
    return time.time_ns() // 1000


@dataclass
class Stack:
    """The servers around the exporter, with topics and a database of our own, and what the other teams do."""

    broker: str
    clickhouse: str
    registry: str
    folder: Path
    broker_process_id: int
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.registry_client = SchemaRegistryClient({"url": self.registry})
        schemas = SubjectSchemas(self.registry_client)
        self.requests = RecordCodec(EXPORT_REQUESTS, schemas)
        self.notifications = RecordCodec(EXPORT_NOTIFICATIONS, schemas)
        self.producer = Producer({"bootstrap.servers": self.broker, "partitioner": "murmur2_random"})
        self.log_ends = [0] * PARTITIONS

    @contextmanager
    def producing(self, compression: str) -> Iterator[None]:
        ordinary = self.producer
        self.producer = Producer(
            {"bootstrap.servers": self.broker, "partitioner": "murmur2_random", "compression.type": compression}
        )
        yield
        self.producer = ordinary

    def start(
        self, log_name: str = "exporter", environment: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        everything = {
            "broker": self.broker,
            "partitions": PARTITIONS,
            "log_id": LOG_ID,
            "requests_log_id": "requests-1",
            "port": self.port,
            "link_ttl_seconds": 3600,
            "outage_limit_seconds": 30,
            "expiry_sweep_seconds": 3600,
            "storage_url": f"file://{self.folder}/storage",
            "clickhouse": self.clickhouse,
            "registry": self.registry,
            "storage_public_endpoint": None,
            "link_secret": SECRET,
            "link_secret_previous": None,
            "log_level": "INFO",
            "without_condition": None,
            "status_token": TOKEN,
        } | options
        with (self.folder / f"{log_name}.log").open("ab") as log:
            module = "tests.integration.exporter.exporter_process"
            return begun(module, [json.dumps(everything)], {**os.environ, **(environment or {})}, log)

    @contextmanager
    def exporter(self, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        process = self.start(**options)
        try:
            self.wait_until_ready(process)
            yield process
        finally:
            process.kill()
            process.wait()

    def wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        def ready() -> bool:
            assert process.poll() is None, (self.folder / "exporter.log").read_text()
            try:
                return self.get("/readyz")[0] == 200
            except OSError:
                return False

        wait_for(ready, 30)

    def get(
        self, target: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, target, headers=headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def movements(self, account_id: str, movements: list[dict[str, Any]]) -> None:
        """What rater and sink would do: records in the log, rows in ClickHouse, the sink's offset after them."""
        partition = account_partition(account_id, PARTITIONS)
        first = self.log_ends[partition]
        self.append_to_log(partition, len(movements))
        defaults = {"account_id": account_id, "occurred_at": now_micros() - 3_600_000_000}
        frame = movements_table([minute(**{**defaults, **movement}) for movement in movements])
        table = movement_columns(
            frame, LOG_ID, np.full(len(frame), partition), np.arange(first, first + len(frame), dtype=np.int64)
        )
        with clickhouse_connect.get_client(dsn=self.clickhouse) as client:
            client.insert_arrow("credit_movements", table)
        self.commit_sink(partition)

    def append_to_log(self, partition: int, count: int) -> None:
        for _ in range(count):
            self.producer.produce(CREDIT_MOVEMENTS.name, b"a movement", partition=partition)
        assert self.producer.flush(10) == 0
        self.log_ends[partition] += count

    def commit_sink(self, partition: int) -> None:
        sink = Consumer({"bootstrap.servers": self.broker, "group.id": "sink"})
        committed = TopicPartition(CREDIT_MOVEMENTS.name, partition, self.log_ends[partition])
        sink.commit(offsets=[committed], asynchronous=False)
        sink.close()

    def ask(self, account_id: str, *, clock_minutes: int = 0, **fields: Any) -> dict[str, Any]:
        """What the dashboard does when somebody clicks; `clock_minutes` is how far its clock is ahead."""
        now = now_micros() + clock_minutes * 60_000_000
        request = {
            "request_id": str(uuid.uuid4()),
            "account_id": account_id,
            "requested_at": now,
            "time_zone": None,
            "requested_by": "user-1",
        } | fields
        self.send(account_id, self.requests.encode_one(request), timestamp=now // 1000)
        return request

    def send(self, key: str, value: bytes | None, partition: int | None = None, **options: Any) -> None:
        where = account_partition(key, PARTITIONS) if partition is None else partition
        self.producer.produce(EXPORT_REQUESTS.name, value, key=key.encode(), partition=where, **options)
        assert self.producer.flush(10) == 0

    def read_all(self, topic: str) -> list[Message]:
        """Every record of a topic. Up to its end, not to where its end is said to be: the embedded broker says it too early."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker,
                "group.id": f"reader-{uuid.uuid4()}",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        messages: list[Message] = []
        unfinished = set(range(PARTITIONS))
        try:
            consumer.assign([TopicPartition(topic, partition, 0) for partition in unfinished])
            while unfinished:
                for message in consumer.consume(1000, timeout=0.05):
                    error = message.error()
                    if error is None:
                        messages.append(message)
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        unfinished.discard(message.partition())
        finally:
            consumer.close()
        return messages

    def notified(self, account_id: str) -> list[dict[str, Any]]:
        records = [self.notifications.decode_one(each.value()) for each in self.read_all(EXPORT_NOTIFICATIONS.name)]
        return [record for record in records if record["account_id"] == account_id]

    def wait_for_notification(self, request: dict[str, Any], seconds: float = 20) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            found[:] = [
                each for each in self.notified(request["account_id"]) if each["export_id"] == request["request_id"]
            ]
            return bool(found)

        wait_for(arrived, seconds, lambda: (self.folder / "exporter.log").read_text())
        return found[0]

    def download(self, notification: dict[str, Any], **options: Any) -> tuple[int, dict[str, str], bytes]:
        return self.get(target_of(notification), **options)

    def metric(self, name: str) -> float:
        lines = self.get("/metrics")[2].decode().splitlines()
        values = [line.rsplit(" ", 1)[1] for line in lines if line.startswith(name + " ")]
        if not values and "{" in name:
            # A label's count is not there before it is counted for the first time.
            return 0.0
        return float(values[0])


def wait_for(condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def target_of(notification: dict[str, Any]) -> str:
    parts = urlsplit(notification["download_url"])
    return parts.path + (f"?{parts.query}" if parts.query else "")


@contextmanager
def exporter_stack(clickhouse: str, registry: str, folder: Path) -> Iterator[Stack]:
    """Topics on a broker of their own, and a database of their own on the given ClickHouse."""
    port = free_port()
    with own_database(clickhouse, "exporter") as dsn, running(broker_service(port), folder) as process:
        apply_migrations(dsn)
        broker = f"127.0.0.1:{port}"
        admin = AdminClient({"bootstrap.servers": broker})
        topics = (CREDIT_MOVEMENTS, EXPORT_REQUESTS, EXPORT_NOTIFICATIONS, DEAD_LETTERS)
        wanted = [NewTopic(topic.name, PARTITIONS, 1, config=topic.config()) for topic in topics]
        for created in admin.create_topics(wanted).values():
            created.result()
        stack = Stack(broker, dsn, registry, folder, process.process_id)
        with stack.registry_client:
            yield stack
