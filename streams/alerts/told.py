"""Which alerts were told already: their ids, read back from `credit-alerts`."""

import logging
import threading

from confluent_kafka import Consumer

from kafka_io.offsets import ANSWER_SECONDS, offset_range
from kafka_io.positions import TopicPartition
from kafka_io.reading import read_to_end
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_ALERTS

logger = logging.getLogger(__name__)


class ToldReader:
    """`consumer` joins no group, has `enable.partition.eof`, and nobody else uses it."""

    def __init__(self, consumer: Consumer, codec: RecordCodec) -> None:
        self._consumer = consumer
        self._codec = codec

    def told(self, partition: int, stop: threading.Event) -> set[str]:
        """The ids of all alerts in this partition. Ask when the offsets of the group are known: from then on nobody else can
        commit an alert there.

        Raises KafkaException, StuckError, StoppedError and RegistryUnavailableError.
        """
        place = TopicPartition(CREDIT_ALERTS.name, partition)
        begin, end = offset_range(self._consumer, place, ANSWER_SECONDS)
        ids: set[str] = set()
        for records in read_to_end(self._consumer, place, begin, end, stop):
            decoded = self._codec.decode([record.value() for record in records])
            for refusal in decoded.refusals:
                logger.warning("a record of %s, partition %d, is no alert: %s", *place, refusal.detail)
            ids.update(decoded.rows["alert_id"])
        return ids

    def close(self) -> None:
        self._consumer.close()
