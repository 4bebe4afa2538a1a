"""The rater's loop: from Kafka to Kafka.

For each batch:

1. consume usage events and top-ups, and take in the rates and plans that have arrived;
2. decode, check, look the ids up in the deduplication stores, rate: each event is now a movement, a duplicate or a refusal;
3. in one transaction write the movements and the dead letters, and commit the offsets;
4. remember the movements in the deduplication stores.

A crash before the end of 3 leaves nothing: the batch is read again. A crash between 3 and 4 leaves a store that is behind
the log; on assignment it is brought up to date from there. A replayed batch gives the same rows, because nothing in 2 knows
a clock or a random number, but for one bound: a publisher's timestamp counts as the rater's clock at most, which only decides
what is refused for its age. So each event has its effect once.

How new the newest record of each partition was is committed with its offset (in the note), so that an event's age is measured
after a restart as it was before. An id is forgotten only when an event of its age would be refused; whatever may have been
forgotten is refused too.

What happens before the first batch of a partition stands in `assignment`.
"""

import logging
import threading
from collections.abc import Mapping

from confluent_kafka import Consumer, Message

from kafka_io.outages import Complaints, MonotonicSeconds, Patience, StoppedWaitingError
from kafka_io.batches import OffsetOutOfRangeError, offsets_after, sort_out
from kafka_io.positions import TopicPartition
from kafka_io.transactions import AbortedError
from schemas.codec import RecordCodec
from streams.assignment import Assignment
from streams.batch import EventBatch, decode_batch
from streams.counts import OutcomeCounts
from streams.dedup.catch_up import LogReader
from streams.dedup.fingerprints import Hashes, content_hashes, id_hashes
from streams.metrics import RaterMetrics
from streams.offsets import KafkaSilentError
from streams.options import RaterOptions
from streams.outcome import KnownIds, Outcomes, check_batch, classify, refusals_of
from streams.price_feed import PriceFeed, RefusedPrice
from streams.registry_outages import outlast_registry
from streams.watches.clock import ClockWatch
from streams.watches.numbers import NumberWatch
from streams.writer import MovementWriter

logger = logging.getLogger(__name__)


class Rater:
    """One rater of a group. The clients are made by the caller and belong to this object until `run` returns."""

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
    ) -> None:
        self._consumer = consumer
        self._writer = writer
        self._feed = feed
        self._codecs = codecs
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._counts = OutcomeCounts(metrics, numbers)
        self._complaints = Complaints(monotonic_seconds)
        self._assignment = Assignment(consumer, writer, log_reader, options, clock)

    @property
    def is_ready(self) -> bool:
        """Whether it has read all rates and plans and is rating, or would if it had partitions."""
        return self._feed.is_complete and self._assignment.is_prepared

    def run(self, stop: threading.Event) -> None:
        """Rate until `stop` is set.

        Raises KafkaException where this rater cannot go on (fenced, or a fatal error): starting anew is always safe;
        MisplacedOffsetError where somebody has to decide first how to go on; and ClockBehindError where this machine's clock
        would have events refused that are in order.
        """
        patience = Patience(stop, self._complaints)
        try:
            outlast_registry(patience, lambda: self._feed.read_to_end(stop))
            outlast_registry(patience, self._writer.open)
            self._assignment.subscribe()
            while not stop.is_set():
                self._turn(patience)
        except StoppedWaitingError as error:
            logger.warning("%s: the events in hand are read again at the next start", error)
        finally:
            self._assignment.stores.save()
            self._consumer.close()

    def _turn(self, patience: Patience) -> None:
        """Step 1, and what follows from it: a batch, or partitions to prepare."""
        messages = self._consumer.consume(self._options.batch_size, self._options.wait_seconds)
        try:
            if self._assignment.is_prepared:
                self._rate(messages, patience)
            else:
                # Nothing was assigned yet: what a rebalance interrupted is read again from the committed offsets.
                self._assignment.prepare(patience)
        except AbortedError:
            self._metrics.aborts.inc()
            self._assignment.read_again()
        except KafkaSilentError as error:
            logger.warning("cannot fetch offsets, trying again: %s", error)
            self._assignment.read_again()

    def _rate(self, messages: list[Message], patience: Patience) -> None:
        """Steps 1 to 4 of a batch."""
        # 1. What came; rates and plans too.
        try:
            poll = sort_out(messages)
        except OffsetOutOfRangeError as error:
            why = f"offset {error.offset} is to be read next, and is not there"
            self._assignment.begin_elsewhere({error.topic_partition: why})
            return
        outlast_registry(patience, self._feed.refresh)
        # 2. What becomes of it.
        batch = outlast_registry(patience, lambda: self._decode(poll.records))
        outlast_registry(patience, lambda: self._clock.watch(batch.times))
        next_offsets = offsets_after(self._assignment.next_offsets, batch.next_offsets, poll.ends)
        refused_prices = self._assignment.to_dead_letter(self._feed.refused)
        # In each topic's order: of each partition the last price counts.
        next_offsets |= {price.position.topic_partition: price.position.next_offset for price in refused_prices}
        if not next_offsets:
            return
        with self._metrics.batch_seconds.time():
            ids, content = id_hashes(batch.events), content_hashes(batch.events)
            outcomes = self._outcomes(batch, ids, content)
            # 3. Write and commit.
            reached = self._commit(batch, outcomes, next_offsets, refused_prices)
            # 4. Remember.
            self._assignment.go_on(next_offsets, batch.newest_at)
            self._assignment.stores.remember(outcomes.movements, ids[outcomes.moved], content[outcomes.moved], reached)
        self._counts.note(batch, outcomes, self._feed.prices, len(self._assignment.stores))

    def _decode(self, records: list[Message]) -> EventBatch:
        return decode_batch(records, self._codecs, self._clock.now_micros(), self._assignment.newest_at)

    def _outcomes(self, batch: EventBatch, ids: Hashes, content: Hashes) -> Outcomes:
        events, limits = batch.events, self._options.limits
        known, known_content, forgotten_before = self._assignment.stores.look_up(events["partition"].to_numpy(), ids)
        failed = check_batch(events, self._options.partitions, limits, forgotten_before)
        return classify(events, failed, ids, content, KnownIds(known, known_content), self._feed.prices, limits)

    def _commit(
        self,
        batch: EventBatch,
        outcomes: Outcomes,
        next_offsets: dict[TopicPartition, int],
        refused_prices: list[RefusedPrice],
    ) -> dict[int, int]:
        """Where the log then ends in each partition that got movements."""
        self._writer.begin()
        self._writer.append(outcomes.movements)
        for refusal in batch.refusals:
            self._writer.write_dead_letter(batch.messages[refusal.row], refusal.reason, refusal.detail)
        for row, check, detail in refusals_of(outcomes):
            self._writer.write_dead_letter(batch.messages[row], check.reason, detail)
        for price in refused_prices:
            self._writer.write_dead_letter(price.message, price.reason, price.detail)
        return self._writer.commit(self._assignment.offsets_to_commit(next_offsets, batch.newest_at), self._consumer)
