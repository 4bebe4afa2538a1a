"""Where the log `credit-movements` ends, and how far the sink has come in it."""

import threading

from confluent_kafka import Consumer

from exporter.foreign_outages import kafka_outages_named
from kafka_io.offsets import ANSWER_SECONDS, committed, last_known_end, offset_range
from kafka_io.positions import TopicPartition
from kafka_io.reading import ends_from
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
            _, reported = offset_range(self._reader, _in_log(partition), ANSWER_SECONDS)
            begin = max(reported, self.sink_position(partition))
            try:
                return self._end_from(partition, begin)
            finally:
                self._reader.unassign()

    @kafka_outages_named()
    def written_end(self, partition: int) -> int:
        """The offset after the last record of a partition that was written, be its transaction still open."""
        with self._reading:
            begin = self.sink_position(partition)
            try:
                visible = self._end_from(partition, begin)
                # Of the answer that brought us to the end.
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
