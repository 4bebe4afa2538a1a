"""How far each assigned partition of the log is read and committed."""

import logging
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException

from kafka_io.offsets import OffsetAndNote, commit, last_known_end
from kafka_io.positions import TopicPartition
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.metrics import SinkMetrics

logger = logging.getLogger(__name__)


class AssignedPartitions:
    """Offsets are the next to read. `begin` and `forget` are the consumer's rebalance callbacks. `summed`: partition → offset
    below which all sums are written, as far as is known at a commit; those without sums may be missing."""

    def __init__(self, metrics: SinkMetrics, summed: Mapping[int, int]) -> None:
        self._metrics = metrics
        self._summed = summed
        self.assigned: set[int] = set()
        self.committed: dict[int, int] = {}
        self.lag: dict[int, int] = {}
        self._reached: dict[int, int] = {}

    def begin(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        logger.info("reading %s, partitions %s", CREDIT_MOVEMENTS.name, [each.partition for each in partitions])
        self.forget(consumer, partitions)
        self.assigned |= {each.partition for each in partitions}

    def forget(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in (each.partition for each in partitions):
            self.assigned.discard(partition)
            self._reached.pop(partition, None)
            self.lag.pop(partition, None)
            if self.committed.pop(partition, None) is not None:
                self._metrics.forget(partition)

    def reach(self, reached: dict[int, int]) -> None:
        # A partition that went away during the batch has another owner: a commit of ours could set its offset back.
        self._reached |= {partition: at for partition, at in reached.items() if partition in self.assigned}

    def commit(self, consumer: Consumer) -> KafkaError | None:
        """Commit the offsets that changed, and wait. Returns the error, if any; the next commit tries the same again."""
        changed = {partition: at for partition, at in self._reached.items() if self.committed.get(partition) != at}
        if not changed:
            return None
        try:
            commit(consumer, {_of_log(partition): OffsetAndNote(at) for partition, at in changed.items()})
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            return error
        self.committed |= changed
        self._measure(consumer)
        return None

    def _measure(self, consumer: Consumer) -> None:
        for partition, at in self.committed.items():
            self.lag[partition] = max(0, last_known_end(consumer, _of_log(partition)) - at)
            without_sums = max(0, at - self._summed.get(partition, 0))
            self._metrics.committed(partition, at, self.lag[partition], without_sums)


def _of_log(partition: int) -> TopicPartition:
    return TopicPartition(CREDIT_MOVEMENTS.name, partition)
