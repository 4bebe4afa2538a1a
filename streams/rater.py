"""The rater's loop: from Kafka to Kafka.

For each poll:

1. consume a batch of usage events and top-ups, and take in the rates and plans that have arrived;
2. decode it, check it, look its ids up among what was seen, rate it: each event is now a movement, a duplicate or a refusal;
3. in one transaction write the movements and the dead letters, and commit the offsets;
4. remember the movements as seen.

A crash before the end of 3 leaves nothing: the batch is read again. A crash between 3 and 4 leaves a store that is behind
the log; on assignment it is brought up to date from there. A replayed batch gives the same rows, because nothing in 2 knows
a clock or a random number, but for one bound: a publisher's timestamp counts as the rater's clock at most, which only decides
what is refused for its age. So each event has its effect once.

How new the newest record of each partition was is committed with its offset (in the note), so that an event's age is measured
after a restart as it was before. An id is forgotten only when an event of its age would be refused; whatever may have been
forgotten is refused too.

On assignment, before the first event is rated: (a) fetch the committed offsets and their notes, which waits for the end of a
predecessor's open transaction, (b) read `credit-movements` from where the store stands to its end, open transactions included,
(c) begin there.
"""

import logging
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from confluent_kafka import Consumer, Message
from confluent_kafka import TopicPartition as PartitionOffset
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
)

from kafka_io.errors import UserError
from kafka_io.missing_offsets import MissingOffsets
from kafka_io.polls import OutOfRangeError, TopicPartition, gone_on_to, position_of, sorted_out
from schemas.codec import RecordCodec
from schemas.registry import RegistryUnavailableError
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.batch import EventBatch, decode_batch
from streams.dedup.catch_up import LogReader
from streams.dedup.fingerprints import Hashes, content_hashes, id_hashes
from streams.dedup.store import NOTHING_FORGOTTEN, DedupStore
from streams.events.table import SOURCES
from streams.metrics import RaterMetrics
from streams.offsets import KafkaSilentError, MisplacedOffsetError, Offsets
from streams.outcome import KnownIds, Outcomes, check_batch, classify, refusals_of
from streams.price_feed import PriceFeed, RefusedPrice
from streams.pricing.checks import CHECKS
from streams.pricing.rating import Limits
from streams.watches.clock import ClockWatch
from streams.watches.flood import FloodWatch
from streams.watches.numbers import NumberWatch
from streams.writer import AbortedError, MovementWriter

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SOURCE_NAMES = [topic.name for topic in SOURCES]
# Of all raters, the one that has this partition buries bad rates and plans.
_BURYING_PLACE = TopicPartition(_SOURCE_NAMES[0], 0)


@dataclass(frozen=True)
class RaterOptions:
    """`partitions`: of the source topics. `seen_folder`: where the stores lie. `log_id`: which log they are of.

    `origins`: source topic → what tells it and the log from any other, noted with its offsets; `rated_with`: the settings
    that decide how an event ends, in words, noted too.
    """

    partitions: int
    seen_folder: Path
    log_id: str
    origins: Mapping[str, str]
    rated_with: str = ""
    missing_offsets: MissingOffsets = MissingOffsets.STOP
    limits: Limits = field(default_factory=Limits)
    batch_size: int = 50_000
    wait_seconds: float = 0.2


class MisassignedError(UserError):
    """A rater got a partition of one source topic without the other's of the same number, or one more than there were."""


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
    ) -> None:
        self._consumer = consumer
        self._writer = writer
        self._feed = feed
        self._log_reader = log_reader
        self._codecs = codecs
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._offsets = Offsets(consumer, options.origins, options.missing_offsets, options.rated_with)
        self._numbers = numbers
        self._assigned: list[TopicPartition] = []
        self._next: dict[TopicPartition, int] = {}
        self._newest_at: dict[TopicPartition, int] = {}
        self._must_prepare = False
        self._stores: dict[int, DedupStore] = {}
        self._stop = threading.Event()
        self._flood = FloodWatch()

    @property
    def is_ready(self) -> bool:
        """Whether it has read all rates and plans and is rating, or would if it had partitions."""
        return self._feed.is_complete and not self._must_prepare

    def run(self, stop: threading.Event) -> None:
        """Rate until `stop` is set.

        Raises KafkaException where this rater cannot go on (fenced, or a fatal error): starting anew is always safe;
        MisplacedOffsetError where somebody has to decide first how to go on; and ClockBehindError where this machine's clock
        would have events refused that are in order.
        """
        self._stop = stop
        self._while_registry_is_away(lambda: self._feed.read_to_end(stop))
        self._while_registry_is_away(self._writer.open)
        self._consumer.subscribe(_SOURCE_NAMES, on_assign=self._on_assign, on_revoke=self._on_revoke)
        try:
            while not stop.is_set():
                self._turn()
        finally:
            for store in self._stores.values():
                store.save()
            self._consumer.close()

    def _turn(self) -> None:
        messages = self._consumer.consume(self._options.batch_size, self._options.wait_seconds)
        try:
            if self._must_prepare:
                # Nothing was assigned yet: what a rebalance interrupted is read again from the committed offsets.
                self._prepare()
            else:
                self._rate(messages)
        except AbortedError:
            self._metrics.aborts.inc()
            self._must_prepare = True
        except KafkaSilentError as error:
            logger.warning("cannot fetch offsets, trying again: %s", error)
            self._must_prepare = True

    def _rate(self, messages: list[Message]) -> None:
        try:
            events, ends = sorted_out(messages)
        except OutOfRangeError as error:
            self._begin_elsewhere({error.place: f"offset {error.offset} is to be read next, and is not there"})
            return
        self._while_registry_is_away(self._feed.refresh)
        self._classify_and_commit(events, ends)

    def _classify_and_commit(self, messages: list[Message], ends: dict[TopicPartition, int]) -> None:
        poll = self._while_registry_is_away(
            lambda: decode_batch(messages, self._codecs, self._clock.now_micros(), self._newest_at)
        )
        self._while_registry_is_away(lambda: self._clock.watch(poll.times))
        next_offsets = gone_on_to(self._next, poll.next_offsets, ends)
        bad_prices = self._bad_prices()
        if not next_offsets and not bad_prices:
            return
        with self._metrics.batch_seconds.time():
            ids, content = id_hashes(poll.events), content_hashes(poll.events)
            outcomes = self._outcomes(poll.events, ids, content)
            reached = self._commit(poll, outcomes, next_offsets, bad_prices)
            self._newest_at.update(poll.newest_at)
            self._remember(outcomes, ids, content, reached)
        self._next.update(next_offsets)
        self._count(poll, outcomes)

    def _outcomes(self, events: pl.DataFrame, ids: Hashes, content: Hashes) -> Outcomes:
        limits = self._options.limits
        seen = KnownIds(np.zeros(len(events), dtype=bool), np.zeros(len(events), dtype=np.uint64))
        forgotten_before = np.full(len(events), NOTHING_FORGOTTEN, dtype=np.int64)
        partitions = events["partition"].to_numpy()
        for partition, store in self._stores.items():
            rows = np.flatnonzero(partitions == partition)
            if len(rows):
                seen.known[rows], seen.content[rows] = store.look_up(ids[rows])
                forgotten_before[rows] = store.forgotten_before
        failed = check_batch(events, self._options.partitions, limits, forgotten_before)
        return classify(events, failed, ids, content, seen, self._feed.prices, limits)

    def _commit(
        self,
        poll: EventBatch,
        outcomes: Outcomes,
        next_offsets: dict[TopicPartition, int],
        bad_prices: list[RefusedPrice],
    ) -> dict[int, int]:
        offsets = self._offsets.to_commit(next_offsets, {**self._newest_at, **poll.newest_at})
        self._writer.begin()
        self._writer.append(outcomes.movements)
        for refusal in poll.refusals:
            self._writer.write_dead_letter(poll.messages[refusal.row], refusal.reason, refusal.detail)
        for row, check, detail in refusals_of(outcomes):
            self._writer.write_dead_letter(poll.messages[row], check.reason, detail)
        for price in bad_prices:
            self._writer.write_dead_letter(price.message, price.reason, price.detail)
        # In each topic's order, so that of one place the last counts.
        told = {price.place: price.offset + 1 for price in bad_prices}
        offsets += [PartitionOffset(*place, offset) for place, offset in told.items()]
        reached = self._writer.commit(offsets, self._consumer)
        self._next.update(told)
        return reached

    def _remember(self, outcomes: Outcomes, ids: Hashes, content: Hashes, reached: dict[int, int]) -> None:
        self._tell_stores_how_new()
        partitions = outcomes.movements["source_partition"].to_numpy()
        occurred_at = outcomes.movements["occurred_at"].to_numpy()
        for partition, reached_offset in reached.items():
            rows = np.flatnonzero(partitions == partition)
            moved = outcomes.moved[rows]
            self._stores[partition].add(ids[moved], content[moved], occurred_at[rows], reached_offset)

    def _tell_stores_how_new(self) -> None:
        """Ids are forgotten by the older of the two source topics: one may lag days behind the other, and the age of what it
        brings is measured by its own records."""
        for partition, store in self._stores.items():
            both = [self._newest_at.get(TopicPartition(topic, partition), 0) for topic in _SOURCE_NAMES]
            store.newest_at = max(store.newest_at, min(both))

    def _bad_prices(self) -> list[RefusedPrice]:
        """The bad rates and plans that this rater has to dead-letter: those that nobody has before."""
        if _BURYING_PLACE not in self._next:
            return []
        return [price for price in self._feed.refused if price.offset >= self._next[price.place]]

    def _prepare(self) -> None:
        """Steps (a) to (c) of an assignment.

        A rebalance in the middle of it is told by the next poll; a commit that it overtakes is refused by Kafka.
        """
        places = list(self._assigned)
        numbers = sorted({place.partition for place in places})
        if set(places) != {TopicPartition(topic, number) for topic in _SOURCE_NAMES for number in numbers}:
            raise MisassignedError(f"{' and '.join(_SOURCE_NAMES)} must have equally many partitions: got {places}")
        if numbers and numbers[-1] >= self._options.partitions:
            raise MisassignedError(f"partitions were added while this rater ran: it knows {self._options.partitions}")
        if _BURYING_PLACE in places:
            places += [TopicPartition(RATES.name, 0), TopicPartition(ACCOUNT_PLANS.name, 0)]
        committed = self._offsets.committed(places)
        for number in self._stores.keys() - set(numbers):
            self._stores.pop(number).save()
        stores = {number: self._store(number) for number in numbers}
        self._newest_at = self._offsets.newest_at(committed)
        # So what is read back and may be forgotten at once is not kept.
        self._tell_stores_how_new()
        log_ends = self._catch_up(stores)
        if self._stop.is_set():
            return
        first = self._offsets.first(committed, log_ends)
        misplaced = self._offsets.misplaced({place: committed[place] for place in committed.keys() - first.keys()})
        if misplaced:
            self._begin_elsewhere(misplaced)
            return
        self._commit_alone(first)
        self._next = {**{place: max(answer.offset, 0) for place, answer in committed.items()}, **first}
        self._newest_at |= self._unnoted_newest()
        self._offsets.tell_other_settings(committed)
        self._consumer.assign(
            [PartitionOffset(*place, offset) for place, offset in self._next.items() if place.topic in _SOURCE_NAMES]
        )
        self._must_prepare = False
        logger.info("rating partitions %s; %d ids remembered", numbers or "none", sum(map(len, self._stores.values())))

    def _unnoted_newest(self) -> dict[TopicPartition, int]:
        unnoted = {
            place: offset
            for place, offset in self._next.items()
            if place.topic in _SOURCE_NAMES and place not in self._newest_at
        }
        return self._log_reader.newest_before(unnoted, self._clock.now_micros(), self._stop)

    def _catch_up(self, stores: dict[int, DedupStore]) -> dict[int, int]:
        try:
            return self._while_registry_is_away(lambda: self._log_reader.catch_up(stores, self._stop))
        except OutOfRangeError as error:
            folder = self._options.seen_folder / str(error.place.partition)
            raise MisplacedOffsetError(
                f"{error}: remove {folder}, and what was seen is read from the log again"
            ) from error

    def _begin_elsewhere(self, misplaced: dict[TopicPartition, str]) -> None:
        """Go on in these partitions where it was told. Raises MisplacedOffsetError if it was not, and AbortedError."""
        offsets = self._offsets.chosen(misplaced)
        for number in {place.partition for place in offsets}:
            # Read again from the log it knows all ids, even those that records as new as the last ones have made it forget.
            self._stores.pop(number, None)
            shutil.rmtree(self._options.seen_folder / str(number), ignore_errors=True)
        self._commit_alone(offsets)
        self._must_prepare = True

    def _commit_alone(self, offsets: dict[TopicPartition, int]) -> None:
        """Raises AbortedError."""
        if offsets:
            self._writer.begin()
            self._writer.commit(self._offsets.to_commit(offsets, {}), self._consumer)

    def _store(self, number: int) -> DedupStore:
        if number not in self._stores:
            folder = self._options.seen_folder / str(number)
            self._stores[number] = DedupStore(folder, self._options.log_id, self._options.limits.max_age)
        return self._stores[number]

    def _on_assign(self, consumer: Consumer, partitions: list[PartitionOffset]) -> None:
        self._assigned = [TopicPartition(partition.topic, partition.partition) for partition in partitions]
        self._must_prepare = True
        consumer.assign([])

    def _on_revoke(self, consumer: Consumer, partitions: list[PartitionOffset]) -> None:
        # The stores stay: they hold committed movements alone, and are brought up to date if the partitions come back.
        self._assigned, self._next = [], {}
        self._must_prepare = True
        consumer.unassign()

    def _while_registry_is_away(self, step: Callable[[], T]) -> T:
        attempts = Retrying(
            retry=retry_if_exception_type(RegistryUnavailableError),
            wait=wait_exponential(multiplier=0.5, max=30),
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            before_sleep=before_sleep_log(logger, logging.WARNING),
            reraise=True,
        )
        return attempts(step)

    def _count(self, poll: EventBatch, outcomes: Outcomes) -> None:
        # Added up first: of bad messages as well there may be many in a batch.
        unread = Counter(
            (position_of(poll.messages[refusal.row])[0].topic, refusal.reason.value) for refusal in poll.refusals
        )
        unrated = Counter(
            (topic, CHECKS[check].reason.value)
            for topic, check in outcomes.refused.select("source_topic", "check").iter_rows()
        )
        if poll.messages:
            refused = Counter[str]()
            for (_, reason), count in (unread + unrated).items():
                refused[reason] += count
            self._flood.note(len(poll.messages), refused)
        self._numbers.note(poll.events[outcomes.not_numbers], self._feed.prices.book.type_index)
        metrics = self._metrics
        metrics.remembered.set(sum(map(len, self._stores.values())))
        for topic, count in poll.events["source_topic"].value_counts().iter_rows():
            metrics.consumed.labels(topic).inc(count)
        for (topic, _), count in unread.items():
            metrics.consumed.labels(topic).inc(count)
        for topic, count in outcomes.movements["source_topic"].value_counts().iter_rows():
            metrics.movements.labels(topic).inc(count)
        for topic, count in poll.events["source_topic"].gather(outcomes.duplicates).value_counts().iter_rows():
            metrics.duplicates.labels(topic).inc(count)
        for (topic, reason), count in (unread + unrated).items():
            metrics.dead_letters.labels(topic, reason).inc(count)
