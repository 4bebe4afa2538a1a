"""Where `export-requests` ends: what lies below was asked for by now."""

import threading

from confluent_kafka import Consumer, TopicPartition

from exporter.log_end import ANSWER_SECONDS, end_behind
from schemas.topics import EXPORT_REQUESTS

_ENOUGH_SECONDS = 0.1


class RequestsEnd:
    """`reader` reads `read_uncommitted`, tells of ends (`enable.partition.eof`), never subscribes and is ours alone."""

    def __init__(self, reader: Consumer) -> None:
        self._reader = reader
        self._reading = threading.Lock()

    def end_offset(self, partition: int) -> int:
        """The offset after the last record of a partition, or after one that came since the call.

        Blocks for some seconds at most, and raises KafkaException.
        """
        place = TopicPartition(EXPORT_REQUESTS.name, partition)
        with self._reading:
            _, place.offset = self._reader.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
            try:
                return end_behind(self._reader, place, _ENOUGH_SECONDS)
            finally:
                self._reader.unassign()
