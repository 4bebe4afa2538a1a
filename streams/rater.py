"""The rater's loop over batches, from Kafka to Kafka. For each batch:

1. Consume usage events, top-ups and adjustments, take in the rates and plans that have arrived, and decode (`batch`).
2. Decide (`outcome`): each event is now a movement, a duplicate or a refusal.
3. In one transaction write the movements and the dead letters, and commit the offsets (`writer`).
4. Remember the ids of the movements in the deduplication stores (`dedup`).

While batches follow each other, steps 1 and 2 of one run beside the commit of the one before, which is then under way
(`UnderWay`): a thread waits for Kafka's answers, and Python's lock is free meanwhile. What must stay in order stays in order.
Step 2 counts what the batch under way has decided: its ids are known, and the times of its records too. Step 3 begins when
steps 3 and 4 of the batch before are done. If the batch under way is aborted, what was decided after it is dropped, and both
are read again. Partitions are given up only when nothing is under way.

A crash before the end of step 3 leaves nothing behind: the batch is read again. A crash between steps 3 and 4 leaves a
store that is behind the log; the next assignment reads the missing ids from the log, and those of the newest commit in any
case, which may have come to nothing (`dedup.store`). A batch that is read again gives the same rows, because step 2 knows
no clock and no random number. The clock has one use, in step 1: a publisher's timestamp counts as the rater's clock at
most. That decides only which events are refused for their age. So each event has its effect once.

The time of each partition's newest record is committed with its offset, in the note, so that a restarted rater measures the
age of events as before. A store forgets an id only when an event of that age would be refused, and the rater refuses whatever
a store may have forgotten.

`assignment` says what happens before the first batch of a partition.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
from confluent_kafka import Consumer, KafkaException

from kafka_io.batches import OffsetOutOfRangeError, available_pieces, offsets_after
from kafka_io.outages import Complaints, MonotonicSeconds, Patience, StoppedWaitingError
from kafka_io.positions import TopicPartition
from kafka_io.transactions import AbortedError, NotAllowedError
from schemas.codec import RecordCodec
from streams.assignment import Assignment
from streams.batch import EventBatch, Records, decode_batch, records_of
from streams.counts import OutcomeCounts
from streams.dedup.catch_up import LogReader
from streams.dedup.fingerprints import Hashes
from streams.dedup.runs import Run, look_up
from streams.events.sorted_keys import Ints
from streams.metrics import RaterMetrics
from streams.offsets import KafkaSilentError
from streams.options import RaterOptions
from streams.outcome import Outcomes, decide, refusals_of
from streams.price_feed import PriceFeed, RefusedPrice
from streams.pricing.rating import Mask, PriceList
from streams.refunds.ledger import RefundLedger
from streams.registry_outages import outlast_registry
from streams.watches.clock import ClockWatch
from streams.watches.numbers import NumberWatch
from streams.writer import MovementWriter

logger = logging.getLogger(__name__)

_PERMISSION, _OFFSETS = "a permission of Kafka's", "Kafka's offsets"
_NOT_ALLOWED_SECONDS = 15.0


class UnderWay(NamedTuple):
    """A batch that is being committed. `next_offsets`: where the rater goes on after it. `prices`: those that it was rated by.
    `run`: the ids of its movements. `commit` gives, for each partition of `credit-movements` written to, the offset after the
    last movement."""

    batch: EventBatch
    outcomes: Outcomes
    next_offsets: dict[TopicPartition, int]
    prices: PriceList
    run: Run
    commit: Future[dict[int, int]]


class Rater:
    """One rater of a group. The caller makes the clients; nobody else may use them until `run` returns."""

    def __init__(
        self,
        consumer: Consumer,
        writer: MovementWriter,
        feed: PriceFeed,
        log_reader: LogReader,
        codecs: Mapping[str, RecordCodec],
        options: RaterOptions,
        metrics: RaterMetrics,
        clock: ClockWatch,
        numbers: NumberWatch,
        monotonic_seconds: MonotonicSeconds,
        refunds: RefundLedger | None = None,
    ) -> None:
        """`refunds`: None where adjustments may give back more than was taken."""
        self._consumer = consumer
        self._writer = writer
        self._feed = feed
        self._codecs = codecs
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._refunds = refunds
        self._counts = OutcomeCounts(metrics, numbers)
        self._monotonic_seconds = monotonic_seconds
        self._complaints = Complaints(monotonic_seconds)
        self._assignment = Assignment(
            consumer, writer, log_reader, options, clock, self._finish_before_leaving, monotonic_seconds
        )
        metrics.partitions_assigned.set_function(lambda: self._assignment.readiness.assigned or 0)
        metrics.partitions_rated.set_function(lambda: self._assignment.readiness.rated)
        metrics.to_read_back.set_function(lambda: self._assignment.readiness.left)
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._under_way: UnderWay | None = None

    @property
    def state(self) -> str:
        """How far it is, in words. Any thread may ask."""
        return str(self._assignment.readiness) if self._feed.is_complete else "rates and plans are being read"

    @property
    def not_ready(self) -> str | None:
        """Why it is not ready, None if it is: it has read all rates and plans, the group has assigned partitions, it rates
        those whose stores are ready, and it waits for no server. Any thread may ask."""
        is_rating = self._feed.is_complete and self._assignment.readiness.is_ready
        reasons = ["" if is_rating else self.state, str(self._complaints), self._assignment.waits_for]
        return "; ".join(filter(None, reasons)) or None

    def run(self, stop: threading.Event) -> None:
        """Rate until `stop` is set.

        Raises KafkaException where this rater cannot go on (fenced, or a fatal error): starting it anew is always safe.
        Raises MisplacedOffsetError where a person has to decide first how to go on, and ClockBehindError where this machine's
        slow clock would make the rater refuse good events.
        """
        patience = Patience(stop, self._complaints)
        try:
            outlast_registry(patience, lambda: self._feed.read_to_end(stop))
            outlast_registry(patience, self._writer.open)
            self._assignment.subscribe()
            while not stop.is_set():
                self._turn(patience)
            self._finish_before_leaving()
        except StoppedWaitingError as error:
            logger.warning("%s: the events in hand are read again at the next start", error)
        finally:
            # After an error a batch may still be under way. Its end changes nothing here: the log shows it at the next start.
            self._under_way = None
            self._committer.shutdown()
            self._assignment.close()
            self._feed.close()
            self._consumer.close()

    def _turn(self, patience: Patience) -> None:
        """Consume once, then rate the batch, or prepare partitions that a rebalance has brought."""
        try:
            if self._assignment.has_ready:
                self._finish()
                self._assignment.begin_ready()
            records = self._consumed()
            if self._assignment.is_prepared:
                self._rate(records, patience)
            else:
                # Records that came before the rebalance are dropped: they are read again from the committed offsets.
                self._finish()
                self._assignment.prepare(patience)
                self._complaints.withdraw(_OFFSETS)
        except NotAllowedError as error:
            self._metrics.aborts.inc()
            self._complaints.complain(_PERMISSION, str(error))
            self._assignment.read_again()
            patience.stop.wait(_NOT_ALLOWED_SECONDS)
        except AbortedError:
            self._metrics.aborts.inc()
            self._assignment.read_again()
        except KafkaSilentError as error:
            self._complaints.complain(_OFFSETS, str(error))
            self._assignment.read_again()

    def _consumed(self) -> Records:
        # Records wait in the client while a batch is worked on: so batches grow with the backlog, and are small without one.
        pieces = available_pieces(self._consumer, self._options.batch_size, self._options.wait_seconds)
        try:
            return records_of(pieces)
        except OffsetOutOfRangeError as error:
            self._finish()
            if self._assignment.is_prepared:
                why = f"offset {error.offset} is to be read next, and is not there"
                self._assignment.begin_elsewhere({error.topic_partition: why})
            return Records()

    def _rate(self, records: Records, patience: Patience) -> None:
        """Steps 1 and 2 of a batch, 4 of the batch before, then 3 begins."""
        began_at_seconds = self._monotonic_seconds()
        # 1. Take in what came, rates and plans too, and decode it.
        outlast_registry(patience, self._feed.refresh)
        batch = outlast_registry(patience, lambda: self._decode(records))
        outlast_registry(patience, lambda: self._clock.watch(batch.times))
        # 2. Decide what becomes of each event.
        outcomes = self._decide(batch, patience)
        # 3 and 4 of the batch before.
        self._finish()
        next_offsets = offsets_after(self._assignment.next_offsets, batch.next_offsets, records.ends)
        refused_prices = self._assignment.to_dead_letter(self._feed.refused)
        # They come in each topic's order, so the last one of each partition counts.
        next_offsets |= {price.position.topic_partition: price.position.next_offset for price in refused_prices}
        if not next_offsets:
            return
        # 3. Write, and commit beside steps 1 and 2 of the next batch.
        self._assignment.before_writing(outcomes.movements)
        try:
            self._write(batch, outcomes, refused_prices)
        except KafkaException as failure:
            self._writer.abort(failure)
        offsets = self._assignment.offsets_to_commit(next_offsets, batch.newest_at)
        commit = self._committer.submit(
            self._timed, self._writer.begin_commit(offsets, self._consumer), began_at_seconds
        )
        run = Run.of(*_fingerprints(outcomes))
        self._under_way = UnderWay(batch, outcomes, next_offsets, self._feed.prices, run, commit)

    def _timed(self, commit: Callable[[], dict[int, int]], began_at_seconds: float) -> dict[int, int]:
        reached = commit()
        self._metrics.batch_seconds.observe(self._monotonic_seconds() - began_at_seconds)
        return reached

    def _finish(self) -> None:
        """Wait until the batch under way is committed, then do its step 4.

        Raises AbortedError if it was not, and KafkaException where this rater must end.
        """
        done, self._under_way = self._under_way, None
        if done is None:
            return
        reached = done.commit.result()
        self._complaints.withdraw(_PERMISSION)
        # 4. Remember.
        self._assignment.go_on(done.next_offsets, done.batch.newest_at)
        self._feed.forget_refused(self._assignment.next_offsets)
        partitions = done.outcomes.movements["source_partition"].to_numpy()
        self._assignment.stores.remember(partitions, *_fingerprints(done.outcomes), reached)
        self._counts.note(done.batch, done.outcomes, done.prices, len(self._assignment.stores))

    def _finish_before_leaving(self) -> None:
        """Before partitions go. Whether the batch under way is aborted or not: they are prepared anew before more is rated."""
        try:
            self._finish()
        except AbortedError:
            self._metrics.aborts.inc()
        # Whoever has the partitions next needs it.
        self._complaints.forget(_PERMISSION)

    def _decode(self, records: Records) -> EventBatch:
        newest_at = self._assignment.newest_at
        if self._under_way is not None:
            newest_at = {**newest_at, **self._under_way.batch.newest_at}
        return decode_batch(records, self._codecs, self._clock.now_micros(), newest_at)

    def _decide(self, batch: EventBatch, patience: Patience) -> Outcomes:
        options = self._options
        refunds = self._refunds
        taken = None if refunds is None else partial(self._taken_before, refunds, patience)
        return decide(batch.events, self._look_up, self._feed.prices, options.partitions, options.limits, taken)

    def _taken_before(self, refunds: RefundLedger, patience: Patience, adjustments: pl.DataFrame) -> pl.DataFrame:
        """The batch under way counts as well: it has to be in the ledger."""
        self._finish()
        stores = self._assignment.stores
        needed = {number: stores[number].known_until for number in adjustments["partition"].unique().to_list()}
        return patience.outlast(
            "the ledger in ClickHouse", lambda: refunds.taken_before(adjustments, needed, patience.stop)
        )

    def _look_up(self, partitions: Ints, ids: Hashes) -> tuple[Mask, Hashes, Ints]:
        """In the stores, and among the movements under way."""
        known, content, forgotten_before = self._assignment.stores.look_up(partitions, ids)
        if self._under_way is not None:
            here, content_here = look_up([self._under_way.run], ids)
            known, content = known | here, np.where(here, content_here, content)
        return known, content, forgotten_before

    def _write(self, batch: EventBatch, outcomes: Outcomes, refused_prices: list[RefusedPrice]) -> None:
        self._writer.begin()
        self._writer.append(outcomes.movements)
        for refusal in batch.refusals:
            self._writer.write_dead_letter(batch.messages[refusal.row], refusal.reason, refusal.detail)
        for row, check, detail in refusals_of(outcomes):
            self._writer.write_dead_letter(batch.messages[row], check.reason, detail)
        for price in refused_prices:
            self._writer.write_dead_letter(price.message, price.reason, price.detail)


def _fingerprints(outcomes: Outcomes) -> tuple[Hashes, Hashes, Ints]:
    """Of each movement: the hash of its id, that of its content, and when it occurred (microseconds)."""
    moved = outcomes.moved
    return outcomes.ids[moved], outcomes.content[moved], outcomes.movements["occurred_at"].to_numpy()
