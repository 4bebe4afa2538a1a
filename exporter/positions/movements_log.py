"""Where the log `credit-movements` ends, and how far the sink has come in it."""

import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition

from exporter.foreign_outages import kafka_outages_named
from exporter.positions.log_end import ANSWER_SECONDS, end_behind
from schemas.topics import CREDIT_MOVEMENTS


class MovementsLog:
    """Both consumers read `read_committed`, commit nothing and never subscribe, so they join no group. `reader` tells of ends
    (`enable.partition.eof`) and is ours alone; `sink_member` has the sink's `group.id`, and is only asked for its offsets.

    Methods block for some seconds at most and raise KafkaUnavailableError.
    """

    def __init__(self, reader: Consumer, sink_member: Consumer) -> None:
        self._reader = reader
        self._sink_member = sink_member
        self._reading = threading.Lock()

    @kafka_outages_named()
    def end_offset(self, partition: int) -> int:
        """The offset after the last record of a partition that a `read_committed` reader can see.

        The partition is read to its end, since the embedded broker's answer may be too low: 0 while a transaction is open,
        and the first record of a last batch instead of its last. Little lies between that answer, or the sink's offset, and
        the end.
        """
        with self._reading:
            _, reported = self._reader.get_watermark_offsets(_at(partition), timeout=ANSWER_SECONDS)
            begin = max(reported, self.sink_position(partition))
            try:
                return end_behind(self._reader, _at(partition, begin))
            finally:
                self._reader.unassign()

    @kafka_outages_named()
    def written_end(self, partition: int) -> int:
        """The offset after the last record of a partition that was written, be its transaction still open."""
        with self._reading:
            begin = self.sink_position(partition)
            try:
                visible = end_behind(self._reader, _at(partition, begin))
                # Of the answer that brought us to the end.
                _, written = self._reader.get_watermark_offsets(_at(partition), cached=True)
            finally:
                self._reader.unassign()
        return max(visible, written)

    @kafka_outages_named()
    def sink_position(self, partition: int) -> int:
        """The next offset of a partition that the sink has not yet written; 0 where it has committed nothing."""
        [committed] = self._sink_member.committed([_at(partition)], timeout=ANSWER_SECONDS)
        if committed.error is not None:
            raise KafkaException(committed.error)
        return max(int(committed.offset), 0)


def _at(partition: int, offset: int = 0) -> TopicPartition:
    return TopicPartition(CREDIT_MOVEMENTS.name, partition, offset)
