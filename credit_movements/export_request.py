"""`credit-movements request-export`: what the dashboard does when the button is clicked, and the wait for the outcome."""

import time
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from credit_movements import clients
from credit_movements.log_ends import log_ends
from credit_movements.publishing import publish
from credit_movements.settings import Settings
from schemas.codec import UndecodableError
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS

_MICROS = 1_000_000
_POLL_SECONDS = 0.5


class NoOutcomeError(Exception):
    """No notification came in time."""


def request(
    settings: Settings, account_id: str, time_zone: str | None, requested_by: str | None, **options: str | None
) -> dict[str, Any]:
    """Publish one export request of now; returns it. `options`: further fields of ExportRequest.

    Raises UnreachableError, NotDeliveredError.
    """
    record = {
        "request_id": str(uuid.uuid4()),
        "account_id": account_id,
        "requested_at": time.time_ns() // 1000,
        "time_zone": time_zone,
        "requested_by": requested_by,
        **options,
    }
    publish(settings, EXPORT_REQUESTS, [record])
    return record


def request_and_wait(
    settings: Settings,
    account_id: str,
    time_zone: str | None,
    requested_by: str | None,
    wait_seconds: float,
    on_wait: Callable[[float], None] = lambda _: None,
    **options: str | None,
) -> dict[str, Any]:
    """Request an export and wait for the account's next notification: of this request, or of the one at work already.

    Raises NoOutcomeError, UnreachableError, NotDeliveredError.
    """
    clients.check_kafka(settings)
    consumer = clients.reading_consumer(settings, "outcome")
    try:
        _begin_at_end(consumer, account_partition(account_id, settings.topic_partitions))
        request(settings, account_id, time_zone, requested_by, **options)
        return _next_notification(settings, consumer, account_id, wait_seconds, on_wait)
    finally:
        consumer.close()


def _begin_at_end(consumer: Consumer, partition: int) -> None:
    place = (EXPORT_NOTIFICATIONS.name, partition)
    consumer.assign([TopicPartition(*place, log_ends(consumer, [place])[place])])


def _next_notification(
    settings: Settings, consumer: Consumer, account_id: str, wait_seconds: float, on_wait: Callable[[float], None]
) -> dict[str, Any]:
    codec = clients.codec(settings, EXPORT_NOTIFICATIONS)
    began = time.monotonic()
    while (waited := time.monotonic() - began) < wait_seconds:
        on_wait(waited)
        for message in consumer.consume(100, _POLL_SECONDS):
            if message.error() is not None:
                continue
            try:
                notification = codec.decode_one(message.value())
            except UndecodableError:
                continue
            if notification["account_id"] == account_id:
                return notification
    raise NoOutcomeError(
        f"no notification for account {account_id!r} within {wait_seconds:g} s: is the exporter running, and not behind?"
    )
