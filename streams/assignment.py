"""The partitions of a rater: how they come and go, where it goes on in each of them, and their deduplication stores.

A rebalance assigns partitions. Before the rater reads any of their records, it prepares them:

(a) Fetch the committed offsets and their notes. This waits for the end of a predecessor's open transaction.
(b) Read `credit-movements` from the offsets of the stores to its end, open transactions included.
(c) Begin at the committed offsets. Where there is none, or it belongs to another topic, begin where `missing_offsets` says.

After an aborted batch the partitions are prepared again, so its events are read again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from confluent_kafka import Consumer

from kafka_io.batches import OffsetOutOfRangeError
from kafka_io.errors import UserError
from kafka_io.offsets import OffsetAndNote, assign, subscribe
from kafka_io.outages import Patience
from kafka_io.positions import TopicPartition
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.dedup.catch_up import LogReader
from streams.dedup.stores import DedupStores
from streams.events.table import SOURCES
from streams.offsets import MisplacedOffsetError, Offsets
from streams.options import RaterOptions
from streams.price_feed import RefusedPrice
from streams.registry_outages import outlast_registry
from streams.watches.clock import ClockWatch
from streams.writer import MovementWriter

logger = logging.getLogger(__name__)

_SOURCE_NAMES: Final = [topic.name for topic in SOURCES]
# The rater that has this partition dead-letters bad rates and plans for all raters.
_DEAD_LETTERS_PRICES: Final = TopicPartition(_SOURCE_NAMES[0], 0)
_PRICES: Final = [TopicPartition(RATES.name, 0), TopicPartition(ACCOUNT_PLANS.name, 0)]


class MisassignedError(UserError):
    """A rater got a partition without that of the same number of the other source topic, or one that was added since."""


class Assignment:
    """`next_offsets`: where the rater goes on in each partition. `newest_at`: the time of the newest record of each source
    partition that it has rated. Both change only when a batch is committed."""

    def __init__(
        self,
        consumer: Consumer,
        writer: MovementWriter,
        log_reader: LogReader,
        options: RaterOptions,
        clock: ClockWatch,
        before_leaving: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._before_leaving = before_leaving
        self._writer = writer
        self._log_reader = log_reader
        self._options = options
        self._clock = clock
        self._offsets = Offsets(consumer, options.origins, options.missing_offsets, options.rated_with)
        self._assigned: list[TopicPartition] = []
        self.stores = DedupStores(options.dedup_folder, options.log_id, options.limits.max_age, options.snapshots)
        self.next_offsets: dict[TopicPartition, int] = {}
        self.newest_at: dict[TopicPartition, int] = {}
        self.is_prepared = True

    def subscribe(self) -> None:
        """Join the group of raters."""
        subscribe(self._consumer, _SOURCE_NAMES, self.on_assign, self.on_revoke)

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned = partitions
        self.is_prepared = False
        assign(consumer, {})

    def on_revoke(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._before_leaving()
        # The stores stay open: they hold only committed movements, and catch up from the log if the partitions come back.
        self._assigned, self.next_offsets = [], {}
        self.is_prepared = False
        consumer.unassign()

    def read_again(self) -> None:
        """Go back to the committed offsets."""
        self.is_prepared = False

    def prepare(self, patience: Patience) -> None:
        """Steps (a) to (c). Raises AbortedError and KafkaSilentError: then prepare again.

        The client reports a rebalance only when it next consumes. Kafka refuses a commit that a rebalance has overtaken.
        """
        numbers = self._checked_numbers()
        # (a)
        committed = self._offsets.committed(self._partitions_with_offsets())
        self.newest_at = self._offsets.newest_at(committed)
        # (b)
        log_ends = self._catch_up(numbers, patience)
        if patience.stop.is_set():
            return
        # (c)
        first = self._offsets.first(committed, log_ends)
        misplaced = self._offsets.misplaced({each: committed[each] for each in committed.keys() - first.keys()})
        if misplaced:
            self.begin_elsewhere(misplaced)
            return
        self._commit_alone(first)
        self._begin(committed, first, patience)
        logger.info("rating partitions %s; %d ids remembered", numbers or "none", len(self.stores))

    def begin_elsewhere(self, misplaced: Mapping[TopicPartition, str]) -> None:
        """Go on in these partitions where `missing_offsets` says. `misplaced`: partition → why its offset is of no use.

        Raises MisplacedOffsetError if the operator has not chosen, and AbortedError.
        """
        offsets = self._offsets.chosen(misplaced)
        for number in {partition.partition for partition in offsets}:
            # The old events may come again, so the store must know ids that it has forgotten: it is filled from the log anew.
            self.stores.throw_away(number)
        self._commit_alone(offsets)
        self.is_prepared = False

    def to_dead_letter(self, refused: Iterable[RefusedPrice]) -> list[RefusedPrice]:
        """The bad rates and plans that this rater has to dead-letter: the ones that no rater has dead-lettered before."""
        if _DEAD_LETTERS_PRICES not in self.next_offsets:
            return []
        return [
            price for price in refused if price.position.offset >= self.next_offsets[price.position.topic_partition]
        ]

    def offsets_to_commit(
        self, next_offsets: Mapping[TopicPartition, int], newest_at: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndNote]:
        """These offsets with their notes. `newest_at`: the batch's newest records, which count more than the earlier ones."""
        return self._offsets.to_commit(next_offsets, {**self.newest_at, **newest_at})

    def go_on(self, next_offsets: Mapping[TopicPartition, int], newest_at: Mapping[TopicPartition, int]) -> None:
        """A batch is committed: go on behind it."""
        self.next_offsets.update(next_offsets)
        self.newest_at.update(newest_at)
        self._note_newest()

    def _checked_numbers(self) -> list[int]:
        numbers = sorted({partition.partition for partition in self._assigned})
        if set(self._assigned) != {TopicPartition(topic, number) for topic in _SOURCE_NAMES for number in numbers}:
            raise MisassignedError(
                f"{' and '.join(_SOURCE_NAMES)} must have equally many partitions: got {self._assigned}"
            )
        if numbers and numbers[-1] >= self._options.partitions:
            raise MisassignedError(f"partitions were added while this rater ran: it knows {self._options.partitions}")
        return numbers

    def _partitions_with_offsets(self) -> list[TopicPartition]:
        return [*self._assigned, *(_PRICES if _DEAD_LETTERS_PRICES in self._assigned else [])]

    def _catch_up(self, numbers: list[int], patience: Patience) -> dict[int, int]:
        stores = self.stores.hold(numbers)
        # Before reading: the stores then need not keep ids that they may forget at once.
        self._note_newest()
        try:
            return outlast_registry(patience, lambda: self._log_reader.catch_up(stores, patience.stop))
        except OffsetOutOfRangeError as error:
            places = self.stores.places_of(error.topic_partition.partition)
            raise MisplacedOffsetError(
                f"{error}: remove {places}, and the ids of all movements are read from the log again"
            ) from error

    def _begin(
        self,
        committed: Mapping[TopicPartition, OffsetAndNote | None],
        first: Mapping[TopicPartition, int],
        patience: Patience,
    ) -> None:
        self.next_offsets = {each: 0 if answer is None else answer.offset for each, answer in committed.items()}
        self.next_offsets |= first
        sources = {each: offset for each, offset in self.next_offsets.items() if each.topic in _SOURCE_NAMES}
        without_note = {each: offset for each, offset in sources.items() if each not in self.newest_at}
        self.newest_at |= self._log_reader.newest_before(without_note, self._clock.now_micros(), patience.stop)
        self._offsets.log_other_settings(committed)
        assign(self._consumer, sources)
        self.is_prepared = True

    def _commit_alone(self, offsets: Mapping[TopicPartition, int]) -> None:
        if offsets:
            self._writer.begin()
            self._writer.commit(self._offsets.to_commit(offsets, {}), self._consumer)

    def _note_newest(self) -> None:
        """Stores forget ids by the older of the two source topics. One topic may lag days behind the other, and the age of its
        events is measured by its own records."""
        self.stores.note_newest(
            {
                number: min(self.newest_at.get(TopicPartition(topic, number), 0) for topic in _SOURCE_NAMES)
                for number in range(self._options.partitions)
            }
        )
