"""`credit-movements request-export`: what the dashboard does when the button is clicked, and the wait for the outcome."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Message

from credit_movements import clients
from credit_movements.clock import now_micros
from credit_movements.exports.asked import digest_of
from credit_movements.publishing.records import publish
from credit_movements.settings import Settings
from credit_movements.setup.allowed import check_may_read
from exporter.notify.notifications import answered_below, asked_of
from kafka_io.batches import consume
from kafka_io.errors import Outage
from kafka_io.offsets import assign
from kafka_io.positions import TopicPartition
from kafka_io.reading import log_ends
from schemas.codec import RecordCodec, UndecodableError
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS

_MOST_RECORDS = 100
_WAIT_SECONDS = 0.5


class NoOutcomeError(Outage):
    """No notification came in time."""


@dataclass(frozen=True)
class Outcome:
    """The notification that answers a request; `is_of_earlier`: the request was a repeat of one already at work; `is_as_asked`:
    that is known to have asked for the same file."""

    notification: dict[str, Any]
    is_of_earlier: bool
    is_as_asked: bool = True


def request(
    settings: Settings, account_id: str, time_zone: str | None, requested_by: str | None, **options: str | int | None
) -> dict[str, Any]:
    """Publish one export request of now; returns it. `options`: further fields of ExportRequest.

    Raises UnreachableError, NotDeliveredError.
    """
    record = request_of_now(account_id, time_zone, requested_by, **options)
    publish(settings, EXPORT_REQUESTS, [record])
    return record


def request_of_now(
    account_id: str, time_zone: str | None, requested_by: str | None, **options: str | int | None
) -> dict[str, Any]:
    """An export request that nobody has published yet."""
    return {
        "request_id": str(uuid.uuid4()),
        "account_id": account_id,
        "requested_at": now_micros(),
        "time_zone": time_zone,
        "requested_by": requested_by,
        **options,
    }


def request_and_wait(
    settings: Settings,
    account_id: str,
    time_zone: str | None,
    requested_by: str | None,
    wait_seconds: float,
    on_wait: Callable[[float], None] = lambda _: None,
    **options: str | int | None,
) -> Outcome:
    """Request an export and wait for its notification, or for that of the export that is being made already.

    `on_wait` is called about twice a second, with the seconds waited since the request was sent. Raises NoOutcomeError,
    UnreachableError, NotDeliveredError, RefusedError where the outcome may not be read: then nothing is requested.
    """
    check_may_read(settings, EXPORT_REQUESTS, EXPORT_NOTIFICATIONS)
    consumer = clients.reading_consumer(settings, "outcome")
    try:
        _begin_at_ends(consumer, account_partition(account_id, clients.partition_count(settings, EXPORT_REQUESTS)))
        asked = request(settings, account_id, time_zone, requested_by, **options)
        return _answer(settings, consumer, asked, wait_seconds, on_wait)
    finally:
        consumer.close()


def _begin_at_ends(consumer: Consumer, partition: int) -> None:
    topics = (EXPORT_REQUESTS, EXPORT_NOTIFICATIONS)
    assign(consumer, log_ends(consumer, [TopicPartition(topic.name, partition) for topic in topics]))


def _answer(
    settings: Settings,
    consumer: Consumer,
    asked: dict[str, Any],
    wait_seconds: float,
    on_wait: Callable[[float], None],
) -> Outcome:
    codecs = {topic.name: clients.codec(settings, topic) for topic in (EXPORT_REQUESTS, EXPORT_NOTIFICATIONS)}
    answers = Answers(codecs, asked)
    began = time.monotonic()
    while (waited := time.monotonic() - began) < wait_seconds:
        on_wait(waited)
        for record in consume(consumer, _MOST_RECORDS, _WAIT_SECONDS).records:
            answers.take(record)
        if (outcome := answers.outcome()) is not None:
            return outcome
    raise NoOutcomeError(
        f"no notification for account {asked['account_id']!r} within {wait_seconds:g} s: the export goes on;"
        " is the exporter running, and not behind?"
    )


@dataclass
class Answers:
    """Which notification answers a request: its own, or that of an export that ended after the request came into the log. Each
    notification has a header with the offset below which it answers requests. `codecs`: by the topic's name."""

    codecs: Mapping[str, RecordCodec]
    asked: dict[str, Any]
    notifications: list[tuple[dict[str, Any], int, str | None]] = field(default_factory=list)
    asked_at_offset: int | None = None

    def take(self, message: Message) -> None:
        topic = str(message.topic())
        try:
            record = self.codecs[topic].decode_one(message.value())
        except UndecodableError:
            return
        if record["account_id"] != self.asked["account_id"]:
            return
        if topic == EXPORT_NOTIFICATIONS.name:
            self.notifications.append((record, answered_below(message.headers()), asked_of(message.headers())))
        elif record["request_id"] == self.asked["request_id"]:
            self.asked_at_offset = message.offset()

    def outcome(self) -> Outcome | None:
        for each, below, asked in self.notifications:
            if each["export_id"] == self.asked["request_id"]:
                return Outcome(each, is_of_earlier=False)
            if self.asked_at_offset is not None and self.asked_at_offset < below:
                return Outcome(each, is_of_earlier=True, is_as_asked=asked == digest_of(self.asked))
        return None
