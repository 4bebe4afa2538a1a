"""The sink's loop: from the log `credit-movements` into ClickHouse, effectively once. For each batch:

1. Consume records of committed transactions, and ends of partitions.
2. Decode all of them at once. A movement that cannot be decoded is a bug in the rater or in the registry, so the sink raises
   an error with its position. It never skips a record.
3. Insert one block. When ClickHouse answers, the block is on disk. After an error nobody knows whether the rows are in, so the
   sink sends the same rows again, after growing pauses, for ever. Before it, note where the log has movements twice (see
   `sums.repeats`); then write the sums of what is whole now (see `sums.roll_up`).
4. Commit the offset that each partition was read to, its end included. So ClickHouse has all movements below a committed
   offset.

After a crash between two steps the loop repeats from the last commit. The repeated rows are the same (they are read from the
log, not computed), and the table counts rows of one key once.

Steps 1 and 2 of a batch run beside step 3 of the batch before. Step 4 still follows the inserts of all that it covers. What
comes during an insert gathers to the next block, and unless a block is full, inserts begin INSERT_INTERVAL_SECONDS apart at
least: blocks are large where the sink is behind, and small, soon, and not too many where it is not.

A rebalance may come while a block is under way: the worker that then has its partitions writes the same rows again, and this
one drops the offsets of partitions that are no longer its own.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Final, NamedTuple

import polars as pl
from clickhouse_connect.driver.client import Client
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException

from kafka_io.access.refusals import told
from kafka_io.batches import available_pieces
from kafka_io.client_properties import READS_FOR_A_GROUP, Properties
from kafka_io.offsets import REBALANCED, assign, committed, subscribe
from kafka_io.outages import Complaints, MonotonicSeconds, Patience, StoppedWaitingError
from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec
from schemas.registry import RegistryUnavailableError
from schemas.topics import CREDIT_MOVEMENTS
from sinks.read.summed.grains import BLOCK_OFFSETS
from sinks.write.batch import MovementBatch, read_batch
from sinks.write.columns import movement_columns
from sinks.write.insert import explain_refusal, insert_movements, is_clickhouse_outage
from sinks.write.metrics import SinkMetrics
from sinks.write.partitions import AssignedPartitions
from sinks.write.sums.roll_up import RollUp

logger = logging.getLogger(__name__)

# The guarantee rests on these. The root adds servers and time-outs, and may change none of them.
CONSUMER_SETTINGS: Final[Properties] = {
    **READS_FOR_A_GROUP,
    "group.id": "sink",
    # For an offset that the log does not have. Where none is committed, the sink assigns the beginning itself.
    "auto.offset.reset": "error",
}
WAIT_SECONDS: Final = 0.5
# Each insert makes a part that ClickHouse has to merge. Ten a second cost it little; a row waits that long at most.
INSERT_INTERVAL_SECONDS: Final = 0.1


class UndecodableMovementError(Exception):
    """The log holds a record that is no movement. That is a bug of its writer, and the record must not be skipped."""


@dataclass(frozen=True)
class SinkHealth:
    """`committed` and `lag`: by partition of the log. `waiting_for`: what is down → its error."""

    assigned: frozenset[int]
    committed: dict[int, int]
    lag: dict[int, int]
    rows_inserted: int
    waiting_for: dict[str, str]


class _Block(NamedTuple):
    """A batch and the insert of its rows and sums, if it had any."""

    batch: MovementBatch
    insert: Future[None] | None


class Sink:
    """One worker. The caller makes `consumer` (with CONSUMER_SETTINGS) and closes it. `log_id` identifies the log."""

    def __init__(
        self,
        consumer: Consumer,
        client: Client,
        codec: RecordCodec,
        metrics: SinkMetrics,
        log_id: str,
        monotonic_seconds: MonotonicSeconds,
        messages_a_batch: int,
        wait_seconds: float = WAIT_SECONDS,
        sums_of_offsets: int = BLOCK_OFFSETS,
    ) -> None:
        self._consumer = consumer
        self._client = client
        self._codec = codec
        self._metrics = metrics
        self._log_id = log_id
        self._messages_a_batch = messages_a_batch
        self._wait_seconds = wait_seconds
        self._monotonic_seconds = monotonic_seconds
        self._may_insert_at_seconds = 0.0
        self._complaints = Complaints(monotonic_seconds)
        self._sums = RollUp(client, log_id, sums_of_offsets)
        self._partitions = AssignedPartitions(metrics, self._sums.reached)
        self._rows_inserted = 0
        self._under_way: _Block | None = None

    @property
    def health(self) -> SinkHealth:
        """A snapshot. Any thread may ask for it."""
        partitions = self._partitions
        return SinkHealth(
            assigned=frozenset(partitions.assigned),
            committed=dict(partitions.committed),
            lag=dict(partitions.lag),
            rows_inserted=self._rows_inserted,
            waiting_for=self._complaints.open,
        )

    @property
    def not_ready(self) -> str | None:
        """What it waits for, None if for nothing. Any thread may ask."""
        return str(self._complaints) or None

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, then commit what ClickHouse has.

        Raises UndecodableMovementError, OutOfLogError, and KafkaException where the client cannot go on.
        """
        patience = Patience(stop, self._complaints, self._metrics.retried)
        subscribe(self._consumer, [CREDIT_MOVEMENTS.name], partial(self._begin, patience), self._forget)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="insert") as inserter:
                while not stop.is_set():
                    self._step(patience, inserter)
                self._finish()
        except StoppedWaitingError as error:
            logger.warning("%s: the rows in hand are read again at the next start", error)
        self._commit()

    def _step(self, patience: Patience, inserter: Executor) -> None:
        # 1. Consume.
        batch = read_batch(
            available_pieces(self._consumer, self._messages_a_batch, self._wait_seconds, self._is_insert_to_wait)
        )
        self._note_errors(batch)
        # 2. Decode.
        movements = patience.outlast("the schema registry", partial(self._decode, batch), _is_registry_outage)
        columns = movement_columns(movements, self._log_id, batch.partitions, batch.offsets)
        patience.outlast("ClickHouse", self._sums.learn, is_clickhouse_outage, explain_refusal)
        due = self._sums.gather(batch, movements)
        writes: list[Callable[[], None]] = [partial(self._sums.write, each) for each in due]
        if batch.values:
            noted = partial(self._sums.note_repeats, batch, movements)
            writes = [noted, partial(insert_movements, self._client, columns), *writes]
        # 3. Insert, when the block before is in and committed (its step 4).
        self._finish()
        self._under_way = _Block(batch, self._begun(inserter, writes, patience) if writes else None)

    def _is_insert_to_wait(self) -> bool:
        insert = self._under_way.insert if self._under_way is not None else None
        is_inserting = insert is not None and not insert.done()
        return is_inserting or self._monotonic_seconds() < self._may_insert_at_seconds

    def _begun(self, inserter: Executor, writes: list[Callable[[], None]], patience: Patience) -> Future[None]:
        self._may_insert_at_seconds = self._monotonic_seconds() + INSERT_INTERVAL_SECONDS
        return inserter.submit(_written, writes, patience)

    def _decode(self, batch: MovementBatch) -> pl.DataFrame:
        decoded = self._codec.decode(batch.values)
        for refusal in decoded.refusals:
            position = f"partition {batch.partitions[refusal.row]}, offset {batch.offsets[refusal.row]}"
            raise UndecodableMovementError(f"{CREDIT_MOVEMENTS.name}, {position}: {refusal.reason}, {refusal.detail}")
        return decoded.rows

    def _finish(self) -> None:
        """Wait until the block under way is in ClickHouse, then commit the offsets that it reached."""
        block, self._under_way = self._under_way, None
        if block is None:
            return
        if block.insert is not None:
            block.insert.result()
            self._rows_inserted += len(block.batch.values)
            self._metrics.inserted(len(block.batch.values))
        self._partitions.reach(block.batch.reached)
        self._commit()

    def _commit(self) -> None:
        error = self._partitions.commit(self._consumer)
        if error is None:
            self._complaints.withdraw("Kafka's offsets")
        elif error.fatal():
            raise KafkaException(error)
        elif error.code() in REBALANCED:
            # Harmless: the next owner of the partitions reads again what was not committed.
            logger.info("offsets not committed, the group is being rebalanced: %s", error.str())
        else:
            self._metrics.retried("Kafka's offsets")
            self._complaints.complain("Kafka's offsets", told(error))

    def _begin(self, patience: Patience, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._complaints.withdraw("Kafka")
        self._partitions.begin(consumer, partitions)
        self._sums.begin(each.partition for each in partitions)
        try:
            found = patience.outlast("Kafka's offsets", partial(committed, consumer, partitions))
        except StoppedWaitingError:
            # A consumer that closes in the middle of a rebalance calls this too. It will read no more.
            return
        # Without a committed offset it begins at the beginning: a row that is written again counts once.
        assign(consumer, {each: OFFSET_BEGINNING if at is None else at.offset for each, at in found.items()})

    def _forget(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._partitions.forget(consumer, partitions)
        self._sums.forget(each.partition for each in partitions)

    def _note_errors(self, batch: MovementBatch) -> None:
        for text in batch.complaints:
            self._metrics.retried("Kafka")
            self._complaints.complain("Kafka", text)
        if batch.reached:
            self._complaints.withdraw("Kafka")


def _written(writes: list[Callable[[], None]], patience: Patience) -> None:
    for write in writes:
        patience.outlast("ClickHouse", write, is_clickhouse_outage, explain_refusal)


def _is_registry_outage(error: BaseException) -> bool:
    return isinstance(error, RegistryUnavailableError)
