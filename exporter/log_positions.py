"""Where the log `credit-movements` ends, and how far the sink has come in it."""

import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.topics import CREDIT_MOVEMENTS

_ANSWER_SECONDS = 10.0
_READ_AT_ONCE = 10_000
# `consume` waits this long for a full batch, also when the end is there already.
_BATCH_SECONDS = 0.02


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
            _, reported = self._reader.get_watermark_offsets(self._place(partition), timeout=_ANSWER_SECONDS)
            start = max(reported, self.sink_position(partition))
            self._reader.assign([self._place(partition, start)])
            try:
                return self._read_to_end(partition)
            finally:
                self._reader.unassign()

    def written_end(self, partition: int) -> int:
        """The offset after the last record of a partition that was written, be its transaction still open."""
        with self._reading:
            start = self.sink_position(partition)
            self._reader.assign([self._place(partition, start)])
            try:
                visible = self._read_to_end(partition)
                # Of the answer that brought us to the end.
                _, written = self._reader.get_watermark_offsets(self._place(partition), cached=True)
            finally:
                self._reader.unassign()
        return max(visible, written)

    def sink_position(self, partition: int) -> int:
        """The next offset of a partition that the sink has not yet written; 0 where it has committed nothing."""
        [committed] = self._sink_member.committed([self._place(partition)], timeout=_ANSWER_SECONDS)
        if committed.error is not None:
            raise KafkaException(committed.error)
        return max(int(committed.offset), 0)

    def _read_to_end(self, partition: int) -> int:
        deadline_seconds = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline_seconds:
            for message in self._reader.consume(_READ_AT_ONCE, timeout=_BATCH_SECONDS):
                error = message.error()
                if error is None:
                    continue
                if error.code() == KafkaError._PARTITION_EOF:
                    end_offset = message.offset()
                    assert end_offset is not None
                    return end_offset
                raise KafkaException(error)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"the end of partition {partition} was not reached"))

    def _place(self, partition: int, offset: int = 0) -> TopicPartition:
        return TopicPartition(CREDIT_MOVEMENTS.name, partition, offset)
