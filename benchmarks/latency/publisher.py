"""Publishes usage events at a steady rate, each stamped with the time when it was sent.

`python -m benchmarks.latency.publisher BOOTSTRAP TEMPLATES RATE SECONDS`: prints how many they were, and how many a second.
"""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from confluent_kafka import Producer

from kafka_io.producing import produce
from schemas.codec import RecordCodec
from schemas.topics import USAGE_EVENTS
from schemas.wire import HEADER_BYTES

_LINGER_MS = 2
# Eight bytes in Avro, as every instant of these years; no other value of the company's.
_MARKER_MICROS = 1_700_000_000_123_457
# The event's id: its length, then 36 characters.
_ID = slice(HEADER_BYTES + 1, HEADER_BYTES + 37)

# Of a message: its key, and its value up to the event's id, from there to the time, and the rest.
Parts = tuple[bytes, bytes, bytes, bytes]


def write_templates(path: Path, usage_events: pl.DataFrame, codec: RecordCodec) -> None:
    """Messages for the publisher to fill in."""
    values = codec.encode(usage_events.with_columns(occurred_at=pl.lit(_MARKER_MICROS)))
    path.write_text(
        json.dumps([[key, value.hex()] for key, value in zip(usage_events["account_id"], values, strict=True)])
    )


def _templates(path: Path) -> Iterator[Parts]:
    for key, value in json.loads(path.read_text()):
        head, tail = bytes.fromhex(value).split(varint(_MARKER_MICROS))
        yield key.encode(), head[: _ID.start], head[_ID.stop :], tail


def publish(bootstrap: str, templates: list[Parts], rate: int, seconds: int) -> None:
    run = uuid.uuid4().hex[:8]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": _LINGER_MS,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    total, sent = rate * (seconds), 0
    began_at = time.monotonic()
    while sent < total:
        due = min(total, int((time.monotonic() - began_at) * rate) + 1)
        stamp = varint(time.time_ns() // 1000)
        for number in range(sent, due):
            account, before, between, after = templates[number % len(templates)]
            event_id = f"{run}-0000-4000-8000-{number:012d}".encode()
            produce(producer, USAGE_EVENTS.name, key=account, value=b"".join((before, event_id, between, stamp, after)))
        sent = due
        producer.poll(0)
        time.sleep(max(0.001, began_at + sent / rate - time.monotonic()))
    per_second = sent / (time.monotonic() - began_at)
    producer.flush()
    print(sent, per_second)


def varint(number: int) -> bytes:
    """A positive long, as Avro writes it."""
    rest, octets = number << 1, bytearray()
    while rest > 0x7F:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*octets, rest])


if __name__ == "__main__":
    publish(sys.argv[1], list(_templates(Path(sys.argv[2]))), int(sys.argv[3]), int(sys.argv[4]))
