"""Where `export-requests` ends: every request below that end was sent before now."""

import threading
from collections.abc import Collection

from confluent_kafka import Consumer

from exporter.foreign_outages import kafka_outages_named
from kafka_io.offsets import ANSWER_SECONDS, reported_ends
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
    def end_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        """The offset after the last record of each partition, or after one that came since the call.

        Blocks for some seconds at most, and raises KafkaUnavailableError.
        """
        with self._reading:
            begins = reported_ends(self._reader, [TopicPartition(EXPORT_REQUESTS.name, each) for each in partitions])
            try:
                ends = ends_from(self._reader, begins, _ENOUGH_SECONDS, ANSWER_SECONDS)
                return {each.partition: offset for each, offset in ends.items()}
            finally:
                self._reader.unassign()
