"""Reads the movements as they come, and says how long none came."""

import threading
import time
from collections import defaultdict
from itertools import pairwise

from confluent_kafka import Consumer, KafkaError, TopicPartition

from credit_movements import clients
from credit_movements.settings import Settings
from schemas.topics import CREDIT_MOVEMENTS

_WAIT_SECONDS = 0.05


class Follower:
    """Follows all partitions of the log from its end on, for the length of a `with` block, by a reader of committed records."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self._consumer: Consumer = clients.reading_consumer(settings, "follower")
        self._partitions = partitions
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower")
        self._came_at: defaultdict[int, list[float]] = defaultdict(list)

    def __enter__(self) -> "Follower":
        topic = CREDIT_MOVEMENTS.name
        ends = {
            number: self._consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1]
            for number in range(self._partitions)
        }
        self._consumer.assign([TopicPartition(topic, number, end) for number, end in ends.items()])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def has_each_since(self, moment: float) -> bool:
        """Whether each partition has got a movement after `moment` (monotonic seconds)."""
        return len(self._came_at) == self._partitions and all(
            times[-1] > moment for times in list(self._came_at.values())
        )

    def longest_pause(self, since: float) -> float:
        """The longest time without a movement of a partition, of all partitions, of those that ended after `since`; in
        seconds."""
        pauses = [
            after - before for times in self._came_at.values() for before, after in pairwise(times) if after > since
        ]
        return max(pauses)

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(1000, _WAIT_SECONDS):
                error = message.error()
                if error is None:
                    self._came_at[message.partition() or 0].append(time.monotonic())
                else:
                    # What a dead broker makes its client say is told by the pause.
                    assert error.code() == KafkaError._PARTITION_EOF or error.retriable() or _is_away(error), error


def _is_away(error: KafkaError) -> bool:
    return error.code() in {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}
