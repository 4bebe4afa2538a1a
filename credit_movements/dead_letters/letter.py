"""A dead letter as it lies in its topic."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from confluent_kafka import Message

from kafka_io.positions import TopicPartition, position_of

_MICROS_PER_MILLI = 1000
_OUR_HEADERS = "dlq."
REPLAYED_FROM = f"{_OUR_HEADERS}replayed-from"


class Letter(NamedTuple):
    """`topic_partition` and `offset` are its own. `source` and `source_offset` are those of the refused record; None where its
    headers do not say. `at` is when it was written, microseconds."""

    topic_partition: TopicPartition
    offset: int
    at: int
    reason: str
    detail: str
    source: TopicPartition | None
    source_offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, Any]]

    @property
    def name(self) -> str:
        """What a person calls it: topic/partition@offset."""
        return f"{self.topic_partition.topic}/{self.topic_partition.partition}@{self.offset}"


def letter_of(message: Message) -> Letter:
    """Read a dead letter. A publisher may have set headers with our names: the last ones are ours."""
    topic_partition, offset = position_of(message)
    pairs: Any = message.headers() or []
    headers: list[tuple[str, Any]] = list(pairs)
    said = {name: _text(value) for name, value in headers if name.startswith(_OUR_HEADERS)}
    topic = said.get("dlq.source.topic")
    partition, source_offset = (_number(said.get(f"dlq.source.{name}")) for name in ("partition", "offset"))
    named = topic is not None and partition >= 0 and source_offset >= 0
    return Letter(
        topic_partition=topic_partition,
        offset=offset,
        at=message.timestamp()[1] * _MICROS_PER_MILLI,
        reason=said.get("dlq.reason", ""),
        detail=said.get("dlq.detail", ""),
        source=TopicPartition(str(topic), partition) if named else None,
        source_offset=source_offset,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=headers,
    )


def without_ours(headers: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The headers that the publisher gave the record."""
    return [(name, value) for name, value in headers if not name.startswith(_OUR_HEADERS)]


def _text(value: Any) -> str:
    return bytes(value or b"").decode(errors="replace")


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else -1


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
