"""From the log `credit-movements` into ClickHouse, effectively once.

The loop, by number:

1. consume: what committed transactions wrote, up to a block of messages; ends of partitions are told as well.
2. decode: all of it at once. A movement that cannot be decoded is a bug in the rater or in the registry: raise, and say
   where it lies. Nothing is ever skipped.
3. insert: one block, on disk when ClickHouse answers. An error leaves it unknown whether the rows are in: the same rows
   are sent again, with bounded back-off, for ever.
4. commit: where each partition was read to, its end included, so that a committed offset at or beyond a place in the
   log means that all before it is in ClickHouse.

A crash between any two steps repeats from the last commit. The repeated rows are the same rows (they are read from the
log, not computed) and the table counts rows of one key once.

When polls come back full, ClickHouse writes one block while the next is consumed and decoded (steps 1 and 2 of a poll run
beside step 3 of the poll before; step 4 still follows the insert of all that it covers). A rebalance may find one block
under way: whoever has its partitions then writes the same rows again, and we forget places that are another's business.
"""

import logging
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Final, NamedTuple

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from kafka_io.outages import Complaints, MonotonicSeconds, Patience, StoppedWaitingError
from schemas.codec import RecordCodec
from schemas.registry import RegistryUnavailableError
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.batch import MovementBatch, read_batch
from sinks.write.columns import movement_columns
from sinks.write.insert import explain_refusal, insert_movements, is_clickhouse_outage
from sinks.write.metrics import SinkMetrics
from sinks.write.partitions import AssignedPartitions

logger = logging.getLogger(__name__)

# What the loop's guarantee rests on; the root adds servers and time-outs, and may change none of these.
CONSUMER_SETTINGS: Final[dict[str, str | bool]] = {
    "group.id": "sink",
    "isolation.level": "read_committed",
    # Of an offset that the log does not have. Where none is committed the sink begins at the beginning.
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "partition.assignment.strategy": "range",
    # Its default is 1 s: after a full queue the client rests that long, however fast the queue is emptied.
    "fetch.queue.backoff.ms": "10",
}
# The larger the block, the less a row costs ClickHouse: twice as much at 20,000 as at 100,000.
MESSAGES_A_POLL: Final = 50_000
POLL_SECONDS: Final = 0.5
_KAFKA_SECONDS: Final = 10.0

# A rebalance is on its way or has passed: the next poll tells, and what was not committed is read again. Harmless.
_REBALANCED: Final = {
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._MAX_POLL_EXCEEDED,
}


class UndecodableMovementError(Exception):
    """The log holds a record that is no movement: a bug in what wrote it, never a thing to skip."""


@dataclass(frozen=True)
class SinkHealth:
    """`committed` and `lag` are per partition of the log; `waiting_for` is what is down → what it says."""

    assigned: frozenset[int]
    committed: dict[int, int]
    lag: dict[int, int]
    rows_inserted: int
    waiting_for: dict[str, str]


class _Block(NamedTuple):
    """A poll and the insert of its rows, if it had any."""

    poll: MovementBatch
    insert: Future[None] | None


class Sink:
    """One worker. Whoever made `consumer` (with CONSUMER_SETTINGS) closes it; `log_id` names the log that it reads."""

    def __init__(
        self,
        consumer: Consumer,
        client: Client,
        codec: RecordCodec,
        metrics: SinkMetrics,
        log_id: str,
        monotonic_seconds: MonotonicSeconds,
        messages_a_poll: int = MESSAGES_A_POLL,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._consumer = consumer
        self._client = client
        self._codec = codec
        self._metrics = metrics
        self._log_id = log_id
        self._messages_a_poll = messages_a_poll
        self._poll_seconds = poll_seconds
        self._complaints = Complaints(monotonic_seconds)
        self._places = AssignedPartitions(metrics)
        self._rows_inserted = 0
        self._under_way: _Block | None = None

    @property
    def health(self) -> SinkHealth:
        """A snapshot, to be asked from any thread."""
        places = self._places
        return SinkHealth(
            assigned=frozenset(places.assigned),
            committed=dict(places.committed),
            lag=dict(places.lag),
            rows_inserted=self._rows_inserted,
            waiting_for=self._complaints.open,
        )

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, then commit what is in.

        Raises UndecodableMovementError, OutOfLogError, and KafkaException where the client cannot go on.
        """
        patience = Patience(stop, self._complaints, self._metrics.retried)
        self._consumer.subscribe(
            [CREDIT_MOVEMENTS.name],
            on_assign=partial(self._begin, patience),
            on_revoke=self._places.forget,
            on_lost=self._places.forget,
        )
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="insert") as inserter:
                while not stop.is_set():
                    self._step(patience, inserter)
                self._finish()
        except StoppedWaitingError as error:
            logger.warning("%s: the rows in hand are read again at the next start", error)
        self._commit()

    def _step(self, patience: Patience, inserter: Executor) -> None:
        messages = self._consumer.consume(self._messages_a_poll, self._poll_seconds)
        poll = read_batch(messages)
        self._hear(poll)
        columns = self._columns(poll, patience)
        self._finish()
        self._under_way = _Block(poll, inserter.submit(self._insert, columns, patience) if poll.values else None)
        if len(messages) < self._messages_a_poll:
            self._finish()

    def _columns(self, poll: MovementBatch, patience: Patience) -> pa.Table:
        movements = patience.outlast("the schema registry", partial(self._decode, poll), _is_registry_outage)
        return movement_columns(movements, self._log_id, poll.partitions, poll.offsets)

    def _insert(self, columns: pa.Table, patience: Patience) -> None:
        insert = partial(insert_movements, self._client, columns)
        patience.outlast("ClickHouse", insert, is_clickhouse_outage, explain_refusal)

    def _finish(self) -> None:
        """See the block under way into ClickHouse, then commit the places that it reached."""
        block, self._under_way = self._under_way, None
        if block is None:
            return
        if block.insert is not None:
            block.insert.result()
            self._rows_inserted += len(block.poll.values)
            self._metrics.inserted(len(block.poll.values))
        self._places.reach(block.poll.reached)
        self._commit()

    def _decode(self, poll: MovementBatch) -> pl.DataFrame:
        decoded = self._codec.decode(poll.values)
        for refusal in decoded.refusals:
            place = f"partition {poll.partitions[refusal.row]}, offset {poll.offsets[refusal.row]}"
            raise UndecodableMovementError(f"{CREDIT_MOVEMENTS.name}, {place}: {refusal.reason}, {refusal.detail}")
        return decoded.rows

    def _commit(self) -> None:
        error = self._places.commit(self._consumer)
        if error is None:
            self._complaints.withdraw("Kafka's offsets")
        elif error.fatal():
            raise KafkaException(error)
        elif error.code() in _REBALANCED:
            logger.info("offsets not committed, the group is being rebalanced: %s", error.str())
        else:
            self._metrics.retried("Kafka's offsets")
            self._complaints.complain("Kafka's offsets", error.str())

    def _begin(self, patience: Patience, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._complaints.withdraw("Kafka")
        self._places.begin(consumer, partitions)
        ask = partial(consumer.committed, partitions, _KAFKA_SECONDS)
        committed = patience.outlast("Kafka's offsets", ask, _is_kafka_outage)
        for place in committed:
            if place.error is not None:
                raise KafkaException(place.error)
        # Without a committed offset from the beginning: a row that is written again counts once.
        consumer.assign(
            [TopicPartition(each.topic, each.partition, max(each.offset, OFFSET_BEGINNING)) for each in committed]
        )

    def _hear(self, poll: MovementBatch) -> None:
        for text in poll.complaints:
            self._metrics.retried("Kafka")
            self._complaints.complain("Kafka", text)
        if poll.reached:
            self._complaints.withdraw("Kafka")


def _is_registry_outage(error: BaseException) -> bool:
    return isinstance(error, RegistryUnavailableError)


def _is_kafka_outage(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and not error.args[0].fatal()
