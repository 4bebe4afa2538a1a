"""Another team: a plain Kafka client, fastavro, and the schemas of the registry. It knows nothing of the project's own code."""

import json
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import fastavro
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.acceptance.command import RunningUp

PARTITIONS = 12


class Team:
    """A team with a Kafka client, fastavro, and the address of the registry."""

    def __init__(self, up: RunningUp) -> None:
        self._up = up
        self._schemas: dict[str, tuple[int, Any]] = {}
        self._producer = Producer({"bootstrap.servers": up.kafka, "partitioner": "murmur2_random"})

    def schema(self, topic: str) -> tuple[int, Any]:
        if topic not in self._schemas:
            with urllib.request.urlopen(f"{self._up.registry}/subjects/{topic}-value/versions/latest") as answer:
                latest = json.load(answer)
            self._schemas[topic] = latest["id"], fastavro.parse_schema(json.loads(latest["schema"]))
        return self._schemas[topic]

    def encode(self, topic: str, record: dict[str, Any]) -> bytes:
        schema_id, schema = self.schema(topic)
        target = BytesIO()
        times = {name: utc(value) for name, value in record.items() if name.endswith("_at")}
        fastavro.schemaless_writer(target, schema, {**record, **times})
        return b"\0" + schema_id.to_bytes(4, "big") + target.getvalue()

    def publish(self, topic: str, *records: dict[str, Any]) -> None:
        for record in records:
            self.send(topic, record["account_id"], self.encode(topic, record))
        assert self._producer.flush(30) == 0

    def send(self, topic: str, key: str, value: bytes) -> None:
        self._producer.produce(topic, key=key, value=value)

    def decode(self, message: Message) -> dict[str, Any]:
        value = message.value()
        assert value is not None
        record = fastavro.schemaless_reader(BytesIO(value[5:]), self.schema(str(message.topic()))[1], None)
        assert isinstance(record, dict)
        return record

    def read(self, topic: str, enough: Callable[[list[Message]], bool]) -> list[Message]:
        consumer = Consumer(
            {"bootstrap.servers": self._up.kafka, "group.id": "team", "isolation.level": "read_committed"}
        )
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        messages: list[Message] = []
        deadline = time.monotonic() + 60
        while not enough(messages):
            assert time.monotonic() < deadline, f"{topic}: only {len(messages)} messages came"
            messages += [message for message in consumer.consume(1000, 0.2) if message.error() is None]
        consumer.close()
        return messages


def utc(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 10**6, UTC).replace(microsecond=micros % 10**6)


def headers(message: Message) -> dict[str, bytes]:
    return dict(message.headers() or [])  # type: ignore[arg-type]
