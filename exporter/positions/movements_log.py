"""Where the log `credit-movements` ends, and how far the sink has come in it."""

import threading

from confluent_kafka import Consumer

from exporter.foreign_outages import kafka_outages_named
from kafka_io.offsets import ANSWER_SECONDS, committed, last_known_end, offset_range
from kafka_io.positions import TopicPartition
from kafka_io.reading import ends_from
from schemas.topics import CREDIT_MOVEMENTS


class MovementsLog:
    """Both consumers have `read_committed`, commit nothing and join no group. `reader` has `enable.partition.eof`, and nobody
    else uses it. `sink_member` has the sink's `group.id`, and is only asked for the committed offsets.

    Methods block for some seconds at most, and raise KafkaUnavailableError.
    """

    def __init__(self, reader: Consumer, sink_member: Consumer) -> None:
        self._reader = reader
        self._sink_member = sink_member
        self._reading = threading.Lock()

    @kafka_outages_named()
    def end_offset(self, partition: int) -> int:
        """The offset after the last record of a partition that a `read_committed` reader gets.

        This reads the partition to its end, because the embedded broker's own answer may be too low: 0 while a transaction is
        open, or the first record of the last batch instead of its last. It begins at that answer or at the sink's offset, so
        there is little to read.
        """
        with self._reading:
            _, reported = offset_range(self._reader, _in_log(partition), ANSWER_SECONDS)
            begin = max(reported, self.sink_position(partition))
            try:
                return self._end_from(partition, begin)
            finally:
                self._reader.unassign()

    @kafka_outages_named()
    def written_end(self, partition: int) -> int:
        """The offset after the last record of a partition, even if its transaction is still open."""
        with self._reading:
            begin = self.sink_position(partition)
            try:
                visible = self._end_from(partition, begin)
                # The last answer to a fetch, which brought the reader to the end, says so.
                written = last_known_end(self._reader, _in_log(partition))
            finally:
                self._reader.unassign()
        return max(visible, written)

    @kafka_outages_named()
    def sink_position(self, partition: int) -> int:
        """The next offset of a partition that the sink has not yet written; 0 where it has committed nothing."""
        [answer] = committed(self._sink_member, [_in_log(partition)]).values()
        return 0 if answer is None else answer.offset

    def _end_from(self, partition: int, begin: int) -> int:
        asked = _in_log(partition)
        return ends_from(self._reader, {asked: begin}, answer_seconds=ANSWER_SECONDS)[asked]


def _in_log(partition: int) -> TopicPartition:
    return TopicPartition(CREDIT_MOVEMENTS.name, partition)
