"""Where `export-requests` ends: every request below that end was sent before now."""

import threading

from confluent_kafka import Consumer

from exporter.foreign_outages import kafka_outages_named
from kafka_io.offsets import ANSWER_SECONDS, offset_range
from kafka_io.positions import TopicPartition
from kafka_io.reading import ends_from
from schemas.topics import EXPORT_REQUESTS

_ENOUGH_SECONDS = 0.1


class RequestsEnd:
    """`reader` has `read_uncommitted` and `enable.partition.eof`, joins no group, and nobody else uses it."""

    def __init__(self, reader: Consumer) -> None:
        self._reader = reader
        self._reading = threading.Lock()

    @kafka_outages_named()
    def end_offset(self, partition: int) -> int:
        """The offset after the last record of a partition, or after one that came since the call.

        Blocks for some seconds at most, and raises KafkaUnavailableError.
        """
        asked = TopicPartition(EXPORT_REQUESTS.name, partition)
        with self._reading:
            _, begin = offset_range(self._reader, asked, ANSWER_SECONDS)
            try:
                return ends_from(self._reader, {asked: begin}, _ENOUGH_SECONDS, ANSWER_SECONDS)[asked]
            finally:
                self._reader.unassign()
