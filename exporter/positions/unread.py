"""The requests in `export-requests` that are not acknowledged yet: an account may be waiting for them.

It does not read with `kafka_io.reading`: the page wants an answer within seconds, and the first thousands of requests at most.
"""

import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from exporter.foreign_outages import kafka_outages_named
from exporter.request.parsing import RawRequest
from exporter.request.requests import RequestPosition
from kafka_io.batches import consume
from kafka_io.offsets import assign, committed
from kafka_io.positions import TopicPartition, position_of
from schemas.topics import EXPORT_REQUESTS

_ANSWER_SECONDS = 5.0
_MOST_RECORDS = 1_000
# A consumer waits this long for a full batch, also when it has met the end already.
_WAIT_SECONDS = 0.02
# The rest of a longer queue is left out: the page asks again, and by then the queue is shorter.
_MOST_REQUESTS = 10_000
_KEPT_SECONDS = 1.0


class UnreadRequests:
    """`member` has the exporter's `group.id` and `enable.partition.eof`, commits nothing and joins no group; nobody else uses
    it. `log_id` identifies `export-requests`."""

    def __init__(self, member: Consumer, log_id: str, now_seconds: Callable[[], float] = time.monotonic) -> None:
        self._member = member
        self._log_id = log_id
        self._now_seconds = now_seconds
        self._reading = threading.Lock()
        self._kept: dict[int, tuple[float, list[RawRequest]]] = {}

    @kafka_outages_named()
    def of_partition(self, partition: int) -> list[RawRequest]:
        """In the order of the log. The answer is a second old at most: however many ask, Kafka is asked once a second.

        Blocks for some seconds at most. Raises KafkaUnavailableError.
        """
        with self._reading:
            kept = self._kept.get(partition)
            if kept is None or self._now_seconds() - kept[0] > _KEPT_SECONDS:
                kept = self._kept[partition] = (self._now_seconds(), self._read(partition))
            return kept[1]

    def _read(self, partition: int) -> list[RawRequest]:
        asked = TopicPartition(EXPORT_REQUESTS.name, partition)
        [answer] = committed(self._member, [asked], _ANSWER_SECONDS).values()
        assign(self._member, {asked: 0 if answer is None else answer.offset})
        try:
            return self._read_to_end(asked)
        finally:
            self._member.unassign()

    def _read_to_end(self, asked: TopicPartition) -> list[RawRequest]:
        found: list[RawRequest] = []
        deadline_seconds = self._now_seconds() + _ANSWER_SECONDS
        while len(found) < _MOST_REQUESTS:
            if self._now_seconds() >= deadline_seconds:
                what = f"the end of partition {asked.partition} was not reached"
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, what))
            batch = consume(self._member, _MOST_RECORDS, _WAIT_SECONDS)
            found += map(self._raw, batch.records)
            if batch.ends:
                break
        return found

    def _raw(self, record: Message) -> RawRequest:
        (_, partition), offset = position_of(record)
        position = RequestPosition(self._log_id, partition, offset)
        return RawRequest(position, record.timestamp()[1], record.key(), record.value())
