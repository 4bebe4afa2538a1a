"""The rater's loop: from Kafka to Kafka.

For each poll:

1. consume a batch of usage events and top-ups, and take in the rates and plans that have arrived;
2. decode it, check it, look its ids up among what was seen, rate it: each event is now a movement, a duplicate or a refusal;
3. in one transaction write the movements and the dead letters, and commit the offsets;
4. remember the movements as seen.

A crash before the end of 3 leaves nothing: the batch is read again. A crash between 3 and 4 leaves a store that is behind
the log; on assignment it is brought up to date from there. A replayed batch gives the same rows, because nothing in 2 knows
a clock or a random number. So each event has its effect once.

On assignment, before the first event is rated: (a) fetch the committed offsets, which waits for the end of a predecessor's
open transaction, (b) read `credit-movements` from where the store stands to its end, (c) begin there.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
)

from schemas.codec import RecordCodec
from schemas.registry import RegistryUnavailableError
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.checks import CHECKS
from streams.events import SOURCES
from streams.fingerprints import Hashes, content_hashes, id_hashes
from streams.ledger import AbortedError, Ledger
from streams.log_reader import LogReader
from streams.metrics import RaterMetrics
from streams.poll import Place, Poll, decode_poll, position_of, sorted_out
from streams.price_feed import PriceFeed, RefusedPrice
from streams.rating import Limits
from streams.seen_store import SeenStore
from streams.settlement import Seen, Settled, check_batch, refusals_of, settle

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SOURCE_NAMES = [topic.name for topic in SOURCES]
_KAFKA_TIMEOUT_SECONDS = 10.0
# Of all raters, the one that has this partition buries bad rates and plans.
_BURYING_PLACE = Place(_SOURCE_NAMES[0], 0)


@dataclass(frozen=True)
class RaterOptions:
    """`partitions`: of the source topics. `seen_folder`: where the stores lie. `log_id`: which log they are of."""

    partitions: int
    seen_folder: Path
    log_id: str
    limits: Limits = field(default_factory=Limits)
    remember: timedelta = timedelta(days=35)
    batch_size: int = 50_000
    wait_seconds: float = 0.2


class MisassignedError(Exception):
    """A rater got a partition of one source topic without the other's of the same number: their counts differ."""


class Rater:
    """One rater of a group. The clients are made by the caller and belong to this object until `run` returns."""

    def __init__(
        self,
        consumer: Consumer,
        ledger: Ledger,
        feed: PriceFeed,
        log_reader: LogReader,
        codecs: Mapping[str, RecordCodec],
        options: RaterOptions,
        metrics: RaterMetrics,
    ) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._feed = feed
        self._log_reader = log_reader
        self._codecs = codecs
        self._options = options
        self._metrics = metrics
        self._assigned: list[Place] = []
        self._next: dict[Place, int] = {}
        self._must_prepare = False
        self._stores: dict[int, SeenStore] = {}
        self._stop = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether it has read all rates and plans and is rating, or would if it had partitions."""
        return self._feed.is_complete and not self._must_prepare

    def run(self, stop: threading.Event) -> None:
        """Rate until `stop` is set.

        Raises KafkaException where this rater cannot go on (fenced, or a fatal error): starting anew is always safe.
        """
        self._stop = stop
        self._while_registry_is_away(lambda: self._feed.read_to_end(stop))
        self._while_registry_is_away(self._ledger.open)
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
        if self._must_prepare:
            # Nothing was assigned yet: what a rebalance interrupted is read again from the committed offsets.
            self._prepare()
            return
        events, ends = sorted_out(messages)
        self._while_registry_is_away(self._feed.refresh)
        try:
            self._settle_and_commit(events, ends)
        except AbortedError:
            self._metrics.aborts.inc()
            self._must_prepare = True

    def _settle_and_commit(self, messages: list[Message], ends: dict[Place, int]) -> None:
        poll = self._while_registry_is_away(lambda: decode_poll(messages, self._codecs))
        next_offsets = {**poll.next_offsets, **{place: end for place, end in ends.items() if end > self._next[place]}}
        bad_prices = self._bad_prices()
        if not next_offsets and not bad_prices:
            return
        with self._metrics.batch_seconds.time():
            ids, content = id_hashes(poll.events), content_hashes(poll.events)
            settled = self._settled(poll.events, ids, content)
            reached = self._commit(poll, settled, next_offsets, bad_prices)
            self._remember(settled, ids, content, reached)
        self._next.update(next_offsets)
        self._count(poll, settled)

    def _settled(self, events: pl.DataFrame, ids: Hashes, content: Hashes) -> Settled:
        limits = self._options.limits
        failed = check_batch(events, self._options.partitions, limits)
        seen = Seen(np.zeros(len(events), dtype=bool), np.zeros(len(events), dtype=np.uint64))
        partitions = events["partition"].to_numpy()
        for partition, store in self._stores.items():
            rows = np.flatnonzero(partitions == partition)
            if len(rows):
                store.newest_at = max(store.newest_at, int(events["recorded_at"].to_numpy()[rows].max()))
                seen.known[rows], seen.content[rows] = store.look_up(ids[rows])
        return settle(events, failed, ids, content, seen, self._feed.prices, limits)

    def _commit(
        self, poll: Poll, settled: Settled, next_offsets: dict[Place, int], bad_prices: list[RefusedPrice]
    ) -> dict[int, int]:
        offsets = [TopicPartition(place.topic, place.partition, offset) for place, offset in next_offsets.items()]
        self._ledger.begin()
        self._ledger.append(settled.movements)
        for refusal in poll.refusals:
            self._ledger.bury(poll.messages[refusal.row], refusal.reason, refusal.detail)
        for row, check, detail in refusals_of(settled):
            self._ledger.bury(poll.messages[row], check.reason, detail)
        for price in bad_prices:
            self._ledger.bury(price.message, price.reason, price.detail)
            offsets.append(TopicPartition(price.place.topic, price.place.partition, price.offset + 1))
        reached = self._ledger.commit(offsets, self._consumer)
        for price in bad_prices:
            self._next[price.place] = price.offset + 1
        return reached

    def _remember(self, settled: Settled, ids: Hashes, content: Hashes, reached: dict[int, int]) -> None:
        partitions = settled.movements["source_partition"].to_numpy()
        occurred_at = settled.movements["occurred_at"].to_numpy()
        for partition, reached_offset in reached.items():
            rows = np.flatnonzero(partitions == partition)
            moved = settled.moved[rows]
            self._stores[partition].add(ids[moved], content[moved], occurred_at[rows], reached_offset)

    def _bad_prices(self) -> list[RefusedPrice]:
        """The bad rates and plans that this rater has to bury: those nobody has buried before."""
        if _BURYING_PLACE not in self._next:
            return []
        return [price for price in self._feed.refused if price.offset >= self._next[price.place]]

    def _prepare(self) -> None:
        """Steps (a) to (c) of an assignment.

        A rebalance in the middle of it is told by the next poll; a commit that it overtakes is refused by Kafka.
        """
        places = list(self._assigned)
        numbers = sorted({place.partition for place in places})
        if set(places) != {Place(topic, number) for topic in _SOURCE_NAMES for number in numbers}:
            raise MisassignedError(f"{' and '.join(_SOURCE_NAMES)} must have equally many partitions: got {places}")
        if _BURYING_PLACE in places:
            places += [Place(RATES.name, 0), Place(ACCOUNT_PLANS.name, 0)]
        committed = self._committed(places)
        if committed is None:
            return
        for number in self._stores.keys() - set(numbers):
            self._stores.pop(number).save()
        self._log_reader.catch_up({number: self._store(number) for number in numbers}, self._stop)
        self._next = {place: max(offset, 0) for place, offset in committed.items()}
        self._consumer.assign(
            [
                TopicPartition(*place, offset if offset >= 0 else OFFSET_BEGINNING)
                for place, offset in committed.items()
                if place.topic in _SOURCE_NAMES
            ]
        )
        self._must_prepare = False
        logger.info("rating partitions %s; %d ids remembered", numbers or "none", sum(map(len, self._stores.values())))

    def _committed(self, places: list[Place]) -> dict[Place, int] | None:
        """The committed offset of each place (negative where there is none), or None while Kafka cannot tell."""
        try:
            partitions = self._consumer.committed([TopicPartition(*place) for place in places], _KAFKA_TIMEOUT_SECONDS)
        except KafkaException as failure:
            if failure.args[0].fatal():
                raise
            logger.warning("cannot fetch the committed offsets, trying again: %s", failure.args[0].str())
            return None
        for partition in partitions:
            if partition.error is not None:
                raise KafkaException(partition.error)
        return {Place(partition.topic, partition.partition): partition.offset for partition in partitions}

    def _store(self, number: int) -> SeenStore:
        if number not in self._stores:
            folder = self._options.seen_folder / str(number)
            self._stores[number] = SeenStore(folder, self._options.log_id, self._options.remember)
        return self._stores[number]

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned = [Place(partition.topic, partition.partition) for partition in partitions]
        self._must_prepare = True
        consumer.assign([])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
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

    def _count(self, poll: Poll, settled: Settled) -> None:
        metrics = self._metrics
        metrics.remembered.set(sum(map(len, self._stores.values())))
        for topic, count in poll.events["source_topic"].value_counts().iter_rows():
            metrics.consumed.labels(topic).inc(count)
        for topic, count in settled.movements["source_topic"].value_counts().iter_rows():
            metrics.movements.labels(topic).inc(count)
        for topic, count in poll.events["source_topic"].gather(settled.duplicates).value_counts().iter_rows():
            metrics.duplicates.labels(topic).inc(count)
        for refusal in poll.refusals:
            topic = position_of(poll.messages[refusal.row])[0].topic
            metrics.consumed.labels(topic).inc()
            metrics.dead_letters.labels(topic, refusal.reason.value).inc()
        for check, topic in settled.refused.select("check", "source_topic").iter_rows():
            metrics.dead_letters.labels(topic, CHECKS[check].reason.value).inc()
