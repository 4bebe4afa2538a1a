"""Publishing records to the contract's topics from files: `publish` and `rates publish`."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TextIO

import polars as pl
from confluent_kafka import Producer

from credit_movements import clients
from credit_movements.settings import Settings
from kafka_io.errors import Outage, UserError
from kafka_io.producing import Deliveries, produce_all
from schemas.avro_schemas import Schema, fields_of
from schemas.codec import RecordCodec
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.pricing.rates import AccountPlan, Rate, micros_of

# A record, and the line of its file that it stands in.
Line = tuple[int, dict[str, Any]]

_CHUNK = 10_000
_FLUSH_SECONDS = 60.0


class BadLineError(UserError):
    """A line of the file is not a record of the topic: one line that says which and why."""


class NotDeliveredError(Outage):
    """Kafka did not take a record."""


def read_lines(topic: Topic, lines: TextIO) -> list[Line]:
    """The records of a JSON Lines file; times may be ISO 8601 with a zone or microseconds. Raises BadLineError."""
    assert topic.record is not None
    fields = {field["name"]: field for field in fields_of(topic.record)}
    records: list[Line] = []
    number = 0
    try:
        for line in lines:
            number += 1
            if line.strip():
                records.append((number, _record(json.loads(line), fields)))
    except UnicodeDecodeError:
        raise BadLineError(f"after line {number}: not UTF-8, so no JSON Lines") from None
    except json.JSONDecodeError as error:
        raise BadLineError(f"line {number}: no JSON: {error.msg}, at character {error.pos + 1}") from None
    except ValueError as error:
        raise BadLineError(f"line {number}: {error}") from None
    return records


def publish(
    settings: Settings, topic: Topic, records: Iterable[dict[str, Any]], on_sent: Callable[[int], None] = lambda _: None
) -> int:
    """Publish records as any client would, and wait until Kafka has them all. Returns how many. For rates and plans there is
    `publish_prices`. Raises NotDeliveredError, UnreachableError."""
    clients.check_kafka(settings)
    return send_all(clients.producer(settings), clients.codec(settings, topic), topic, records, on_sent)


def send_all(
    producer: Producer,
    codec: RecordCodec,
    topic: Topic,
    records: Iterable[dict[str, Any]],
    on_sent: Callable[[int], None] = lambda _: None,
) -> int:
    """Send records and wait until Kafka has them all. Returns how many. Raises NotDeliveredError."""
    deliveries = Deliveries(producer)
    sent = 0
    for chunk in _chunks(list(records)):
        values = codec.encode(pl.DataFrame(chunk, schema=codec.dtypes))
        keyed = [{"key": key_of(topic, each), "value": value} for each, value in zip(chunk, values, strict=True)]
        produce_all(producer, topic.name, keyed, on_delivery=deliveries.note)
        producer.poll(0)
        sent += len(chunk)
        on_sent(sent)
    if left := deliveries.undelivered(_FLUSH_SECONDS):
        raise NotDeliveredError(f"{left} records of {sent} were not delivered{why_not(deliveries)}")
    return sent


def key_of(topic: Topic, record: dict[str, Any]) -> str:
    """The key that the contract demands for a record. Raises BadRateError for a bad rate or plan."""
    if topic is RATES:
        return Rate.checked(record).key
    if topic is ACCOUNT_PLANS:
        return AccountPlan.checked(record).key
    return str(record["account_id"])


def _chunks(records: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(records), _CHUNK):
        yield records[start : start + _CHUNK]


def why_not(deliveries: Deliveries) -> str:
    """What Kafka said of the first record that failed, to be appended to a sentence; nothing where it said nothing."""
    return f": {deliveries.failures[0].str()}" if deliveries.failures else ""


def _record(value: Any, fields: dict[str, Schema]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    unknown = sorted(value.keys() - fields.keys())
    if unknown:
        raise ValueError(f"unknown field '{unknown[0]}'; the fields are {', '.join(fields)}")
    return {name: _field(name, field["type"], value.get(name)) for name, field in fields.items()}


def _field(name: str, avro_type: Any, value: Any) -> Any:
    if isinstance(avro_type, list):
        return None if value is None else _field(name, next(each for each in avro_type if each != "null"), value)
    if value is None:
        raise ValueError(f"field '{name}' is missing")
    if isinstance(avro_type, dict) and isinstance(value, str):
        return _time(name, value)
    wanted, what = (str, "a text") if avro_type == "string" else (int, "a whole number")
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"field '{name}' must be {what}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"field '{name}' does not fit 64 bits")
    return value


def _time(name: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"field '{name}': '{text}' is no ISO 8601 time such as 2026-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError(f"field '{name}': '{text}' has no time zone")
    return micros_of(at)
