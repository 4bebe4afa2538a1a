"""Where the log `credit-movements` ends, and how far the sink has come in it."""

import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition

from exporter.log_end import ANSWER_SECONDS, end_behind
from schemas.topics import CREDIT_MOVEMENTS


class LogPositions:
    """Both consumers read `read_committed`, commit nothing and never subscribe, so they join no group. `reader` tells of ends
    (`enable.partition.eof`) and is ours alone; `sink_member` has the sink's `group.id`, and is only asked for its offsets.

    Methods block for some seconds at most and raise KafkaException.
    """

    def __init__(self, reader: Consumer, sink_member: Consumer) -> None:
        self._reader = reader
        self._sink_member = sink_member
        self._reading = threading.Lock()

    def end_offset(self, partition: int) -> int:
        """The offset after the last record of a partition that a `read_committed` reader can see.

        Read up to the end, not only asked for: the embedded broker says 0 while a transaction is open, and forgets all but the
        first record of a last batch. What lies between its answer, or the sink's place, and the end is little.
        """
        with self._reading:
            _, reported = self._reader.get_watermark_offsets(self._place(partition), timeout=ANSWER_SECONDS)
            start = max(reported, self.sink_position(partition))
            try:
                return end_behind(self._reader, self._place(partition, start))
            finally:
                self._reader.unassign()

    def written_end(self, partition: int) -> int:
        """The offset after the last record of a partition that was written, be its transaction still open."""
        with self._reading:
            start = self.sink_position(partition)
            try:
                visible = end_behind(self._reader, self._place(partition, start))
                # Of the answer that brought us to the end.
                _, written = self._reader.get_watermark_offsets(self._place(partition), cached=True)
            finally:
                self._reader.unassign()
        return max(visible, written)

    def sink_position(self, partition: int) -> int:
        """The next offset of a partition that the sink has not yet written; 0 where it has committed nothing."""
        [committed] = self._sink_member.committed([self._place(partition)], timeout=ANSWER_SECONDS)
        if committed.error is not None:
            raise KafkaException(committed.error)
        return max(int(committed.offset), 0)

    def _place(self, partition: int, offset: int = 0) -> TopicPartition:
        return TopicPartition(CREDIT_MOVEMENTS.name, partition, offset)
