"""Sends single records to Kafka, and waits until each is acknowledged."""

import threading
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message, Producer

from exporter.foreign_outages import KafkaUnavailableError, kafka_outages_named
from kafka_io.access.refusals import told
from kafka_io.producing import produce
from schemas.dead_letters import Headers

_POLL_SECONDS = 0.1


class ProducerBrokenError(Exception):
    """The producer can never be used again: end the process and start it anew."""


@dataclass(frozen=True)
class Outgoing:
    """One record to send. With a `timestamp_ms` of 0 the client or the broker sets the timestamp."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)
    timestamp_ms: int = 0


class Publisher:
    """Sends with a producer that has `acks=all`, so that an acknowledged record is not lost again."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def publish(self, record: Outgoing) -> None:
        """Send and wait for the acknowledgement; blocks for the producer's `message.timeout.ms` at most.

        Raises KafkaUnavailableError and ProducerBrokenError.
        """
        answered = threading.Event()
        errors: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                errors.append(error)
            answered.set()

        with kafka_outages_named():
            produce(
                self._producer,
                record.topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=[*record.headers],
                timestamp=record.timestamp_ms,
                on_delivery=on_delivery,
            )
        # A `poll` by any thread delivers the answers for all threads. So wait for our own answer, whoever gets it.
        while not answered.is_set():
            self._producer.poll(_POLL_SECONDS)
        if errors:
            if errors[0].fatal():
                raise ProducerBrokenError(f"{record.topic}: {errors[0]}")
            raise KafkaUnavailableError(f"{record.topic}: {told(errors[0])}")
