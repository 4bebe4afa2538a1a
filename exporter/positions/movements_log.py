"""Where the log `credit-movements` ends, and how far the sink has come in it."""

import threading
from collections.abc import Callable, Collection

from confluent_kafka import Consumer

from exporter.foreign_outages import kafka_outages_named
from kafka_io.offsets import ANSWER_SECONDS, committed, last_known_end, reported_ends
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
    def end_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        """The offset after the last record of each partition that a `read_committed` reader gets.

        This reads the partitions to their ends, because the embedded broker's own answer may be too low: 0 while a transaction
        is open, or the first record of the last batch instead of its last. It begins at that answer or at the sink's offset,
        so there is little to read.
        """
        return self._read_to_ends(partitions, lambda _, visible: visible)

    @kafka_outages_named()
    def written_ends(self, partitions: Collection[int]) -> dict[int, int]:
        """The offset after the last record of each partition, even if its transaction is still open."""
        # The last answer to a fetch, which brought the reader to the end, says so.
        return self._read_to_ends(partitions, lambda asked, visible: max(visible, last_known_end(self._reader, asked)))

    @kafka_outages_named()
    def sink_positions(self, partitions: Collection[int]) -> dict[int, int]:
        """The next offset of each partition that the sink has not yet written; 0 where it has committed nothing."""
        answers = committed(self._sink_member, _in_log(partitions))
        return {each.partition: 0 if answer is None else answer.offset for each, answer in answers.items()}

    def _read_to_ends(self, partitions: Collection[int], end: Callable[[TopicPartition, int], int]) -> dict[int, int]:
        with self._reading:
            reported, stored = reported_ends(self._reader, _in_log(partitions)), self.sink_positions(partitions)
            begins = {each: max(offset, stored[each.partition]) for each, offset in reported.items()}
            try:
                visible = ends_from(self._reader, begins, answer_seconds=ANSWER_SECONDS)
                return {each.partition: end(each, offset) for each, offset in visible.items()}
            finally:
                self._reader.unassign()


def _in_log(partitions: Collection[int]) -> list[TopicPartition]:
    return [TopicPartition(CREDIT_MOVEMENTS.name, each) for each in partitions]
