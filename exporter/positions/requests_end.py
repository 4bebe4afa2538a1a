"""Where `export-requests` ends: every request below has been asked by now."""

import threading

from confluent_kafka import Consumer, TopicPartition

from exporter.foreign_outages import kafka_outages_named
from exporter.positions.log_end import ANSWER_SECONDS, end_behind
from schemas.topics import EXPORT_REQUESTS

_ENOUGH_SECONDS = 0.1


class RequestsEnd:
    """`reader` reads `read_uncommitted`, tells of ends (`enable.partition.eof`), never subscribes and is ours alone."""

    def __init__(self, reader: Consumer) -> None:
        self._reader = reader
        self._reading = threading.Lock()

    @kafka_outages_named()
    def end_offset(self, partition: int) -> int:
        """The offset after the last record of a partition, or after one that came since the call.

        Blocks for some seconds at most, and raises KafkaUnavailableError.
        """
        begin = TopicPartition(EXPORT_REQUESTS.name, partition)
        with self._reading:
            _, begin.offset = self._reader.get_watermark_offsets(begin, timeout=ANSWER_SECONDS)
            try:
                return end_behind(self._reader, begin, _ENOUGH_SECONDS)
            finally:
                self._reader.unassign()
