"""Reads `alert-settings` to its end once, then follows it. A record that is wrong changes nothing, and is kept until it is a
dead letter (`watch` says whose business that is)."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, Message
from prometheus_client import Counter

from kafka_io.batches import consume
from kafka_io.offsets import ANSWER_SECONDS, assign, offset_range
from kafka_io.positions import TopicPartition, position_of
from kafka_io.reading import read_to_end
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason
from schemas.topics import ALERT_SETTINGS
from streams.alerts.judging.settings import AccountSettings

logger = logging.getLogger(__name__)

_PARTITION = TopicPartition(ALERT_SETTINGS.name, 0)
_MOST_RECORDS = 10_000


@dataclass(frozen=True)
class RefusedSettings:
    """A record that changes nothing: the message, its offset, and why it is refused."""

    message: Message
    offset: int
    reason: Reason
    detail: str


class SettingsFeed:
    """`consumer` joins no group, has `enable.partition.eof`, and nobody else uses it.

    Methods raise KafkaException, StuckError and StoppedError as `kafka_io.reading` does, and RegistryUnavailableError: call
    them again then, nothing is lost.
    """

    def __init__(self, consumer: Consumer, codec: RecordCodec, settings: AccountSettings, refused: Counter) -> None:
        self._consumer = consumer
        self._codec = codec
        self._settings = settings
        self._refused = refused
        self._next_offset = 0
        # A batch stays here until the registry has helped to decode it.
        self._undecoded: Sequence[Message] = ()
        self.refused: list[RefusedSettings] = []
        """In the topic's order: those of which `forget_refused` has not heard."""

    def read_to_end(self, stop: threading.Event) -> None:
        """Read all that is published. No movement may be judged before this returns."""
        self._take()
        begin, end = offset_range(self._consumer, _PARTITION, ANSWER_SECONDS)
        for records in read_to_end(self._consumer, _PARTITION, max(begin, self._next_offset), end, stop):
            self._undecoded = records
            self._take()
        assign(self._consumer, {_PARTITION: max(begin, self._next_offset)})

    def refresh(self) -> None:
        """Read what has come since. It waits for nothing."""
        self._take()
        self._undecoded = consume(self._consumer, _MOST_RECORDS, 0).records
        self._take()

    def forget_refused(self, next_offset: int) -> None:
        """Forget those below this offset: they are dead letters now, for good."""
        self.refused = [each for each in self.refused if each.offset >= next_offset]

    def close(self) -> None:
        self._consumer.close()

    def _take(self) -> None:
        if not self._undecoded:
            return
        decoded = self._codec.decode([record.value() for record in self._undecoded])
        rows = decoded.rows["row"]
        faults = self._settings.put(decoded.rows.drop("row"))
        refused = [
            *((refusal.row, refusal.reason, refusal.detail) for refusal in decoded.refusals),
            *((int(rows[row]), Reason.INVALID_EVENT, detail) for row, detail in faults.items()),
        ]
        for row, reason, detail in sorted(refused):
            message = self._undecoded[row]
            offset = position_of(message).offset
            logger.warning("%s at offset %d changes nothing: %s, %s", ALERT_SETTINGS.name, offset, reason.value, detail)
            self.refused.append(RefusedSettings(message, offset, reason, detail))
        self._refused.inc(len(refused))
        self._next_offset = position_of(self._undecoded[-1]).next_offset
        self._undecoded = ()
