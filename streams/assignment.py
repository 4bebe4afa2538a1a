"""The partitions of a rater: how they come and go, where it goes on in each of them, and their deduplication stores.

A rebalance assigns partitions. Before the rater reads any of their records, it prepares them:

(a) Fetch the committed offsets and their notes. This waits for the end of a predecessor's open transaction.
(b) Read `credit-movements` to its end, open transactions included: from where the stores stand, or from the first offset that
    can still matter (`dedup.needed`). A thread does that (`dedup.read_back`), and the rater goes on meanwhile.
(c) As soon as the store of a partition is ready, begin at the committed offsets. Where there is none, or it belongs to another
    topic, begin where `missing_offsets` says. The partitions that are rated already keep their place.

After an aborted batch all partitions are prepared again, so its events are read again.
"""

import logging
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final

import polars as pl
from confluent_kafka import Consumer

from kafka_io.batches import OffsetOutOfRangeError
from kafka_io.errors import UserError
from kafka_io.offsets import OffsetAndNote, assign, subscribe
from kafka_io.outages import MonotonicSeconds, Patience
from kafka_io.positions import TopicPartition
from schemas.topics import ACCOUNT_PLANS, ADJUSTMENT_EVENTS, RATES
from streams.dedup.catch_up import LogReader
from streams.dedup.needed import Needed
from streams.dedup.progress import LogEnd, Readiness
from streams.dedup.read_back import ReadBack
from streams.dedup.stores import DedupStores
from streams.events.table import SOURCES, STEADY_SOURCES
from streams.offsets import MisplacedOffsetError, Offsets
from streams.options import RaterOptions
from streams.price_feed import RefusedPrice
from streams.watches.clock import ClockWatch
from streams.writer import MovementWriter

logger = logging.getLogger(__name__)

_SOURCE_NAMES: Final = [topic.name for topic in SOURCES]
_STEADY_NAMES: Final = [topic.name for topic in STEADY_SOURCES]
# The rater that has this partition dead-letters bad rates and plans for all raters.
_DEAD_LETTERS_PRICES: Final = TopicPartition(_SOURCE_NAMES[0], 0)
_PRICES: Final = [TopicPartition(RATES.name, 0), TopicPartition(ACCOUNT_PLANS.name, 0)]


class MisassignedError(UserError):
    """A rater got a partition without those of the same number of the other source topics, or one that was added since."""


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
        monotonic_seconds: MonotonicSeconds,
    ) -> None:
        self._consumer = consumer
        self._before_leaving = before_leaving
        self._writer = writer
        self._log_reader = log_reader
        self._options = options
        self._clock = clock
        self._monotonic_seconds = monotonic_seconds
        self._offsets = Offsets(consumer, options.origins, options.missing_offsets, options.rated_with)
        # None before the group has answered.
        self._assigned: list[TopicPartition] | None = None
        self._committed: dict[TopicPartition, OffsetAndNote | None] = {}
        self._reading: ReadBack | None = None
        # Partition number → how far the log's times lie behind those of its events at most, where that is known.
        self._log_behind: dict[int, int] = {}
        self.stores = DedupStores(options.dedup_folder, options.log_id, options.limits.max_age, options.snapshots)
        self.next_offsets: dict[TopicPartition, int] = {}
        self.newest_at: dict[TopicPartition, int] = {}
        self.is_prepared = False

    @property
    def readiness(self) -> Readiness:
        """Any thread may ask."""
        assigned, reading = self._assigned, self._reading
        return Readiness(
            assigned=None if assigned is None or not self.is_prepared else len({each.partition for each in assigned}),
            rated=len({each.partition for each in list(self.next_offsets)}),
            left=0 if reading is None else reading.progress.left_in_all,
            reading="" if reading is None else str(reading.progress),
        )

    @property
    def waits_for(self) -> str:
        """What is down while the log is read back, and its error; nothing where nothing is. Any thread may ask."""
        reading = self._reading
        return "" if reading is None else str(reading.complaints)

    def subscribe(self) -> None:
        """Join the group of raters."""
        subscribe(self._consumer, _SOURCE_NAMES, self.on_assign, self.on_revoke)

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned = _rated_together(partitions)
        self.is_prepared = False
        assign(consumer, {})

    def on_revoke(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._before_leaving()
        self._stop_reading()
        # The stores stay open: they hold only committed movements, and catch up from the log if the partitions come back.
        self._assigned, self.next_offsets = None, {}
        self.is_prepared = False
        consumer.unassign()

    def read_again(self) -> None:
        """Go back to the committed offsets."""
        self.is_prepared = False

    def close(self) -> None:
        """Save the stores. Nothing may be rated after that."""
        self._stop_reading()
        self.stores.save()

    def prepare(self, patience: Patience) -> None:
        """Step (a), and (b) begins. Raises KafkaSilentError: then prepare again.

        The client reports a rebalance only when it next consumes. Kafka refuses a commit that a rebalance has overtaken.
        """
        if self._assigned is None:
            return
        numbers = self._checked_numbers(self._assigned)
        self._stop_reading()
        # After an abort nothing may be read before it is prepared anew.
        assign(self._consumer, {})
        self.next_offsets = {}
        # (a)
        self._committed = self._offsets.committed(self._partitions_with_offsets(self._assigned))
        self.newest_at = self._offsets.newest_at(self._committed)
        self._log_behind = self._offsets.log_behind(self._committed)
        # (b)
        newest_at = self._older_newest_at()
        stores, needed = self.stores.hold(numbers, newest_at), self._needed(numbers, newest_at)
        self.newest_at |= patience.outlast("Kafka", lambda: self._newest_without_note(patience))
        self._reading = ReadBack(self._log_reader, stores, needed, self._monotonic_seconds)
        self.is_prepared = True
        if not numbers:
            logger.info("rating partitions none; 0 ids remembered")

    @property
    def has_ready(self) -> bool:
        """Whether `begin_ready` has something to do. No batch may be under way then, and nothing read that is not rated."""
        return self.is_prepared and self._reading is not None and self._reading.has_news

    def begin_ready(self) -> None:
        """Step (c) for the partitions whose stores have become ready. Raises AbortedError and KafkaSilentError: then prepare
        again; MisplacedOffsetError where a person has to decide."""
        log_ends = self._taken_ready()
        committed = {each: answer for each, answer in self._committed.items() if self._goes_with(each, log_ends)}
        for number, end in log_ends.items():
            if end.log_behind is not None:
                self._log_behind[number] = end.log_behind
        first = self._offsets.first(committed, {number: end.offset for number, end in log_ends.items()})
        misplaced = self._offsets.misplaced({each: committed[each] for each in committed.keys() - first.keys()})
        if misplaced:
            self.begin_elsewhere(misplaced)
            return
        self._commit_alone(first)
        self.stores.make_ready(log_ends)
        self._offsets.log_other_settings(committed)
        begun = {each: 0 if answer is None else answer.offset for each, answer in committed.items()} | first
        self.next_offsets = {**self.next_offsets, **begun}
        sources = {each: offset for each, offset in self.next_offsets.items() if each.topic in _SOURCE_NAMES}
        assign(self._consumer, sources)
        logger.info("rating partitions %s; %d ids remembered", self.stores.ready, len(self.stores))

    def begin_elsewhere(self, misplaced: Mapping[TopicPartition, str]) -> None:
        """Go on in these partitions where `missing_offsets` says. `misplaced`: partition → why its offset is of no use.

        Raises MisplacedOffsetError if the operator has not chosen, and AbortedError.
        """
        offsets = self._offsets.chosen(misplaced)
        self._stop_reading()
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
        return self._offsets.to_commit(next_offsets, {**self.newest_at, **newest_at}, self._noted_log_behind())

    def before_writing(self, movements: pl.DataFrame) -> None:
        """Measure how far the log's times will lie behind those of these movements' events, before they get their times."""
        occurred_at = movements["occurred_at"].to_numpy()
        behind = int(occurred_at.max(initial=0)) - self._clock.now_micros()
        if behind > 0:
            for number in movements["source_partition"].unique().to_list():
                if number in self._log_behind:
                    self._log_behind[number] = max(self._log_behind[number], behind)

    def go_on(self, next_offsets: Mapping[TopicPartition, int], newest_at: Mapping[TopicPartition, int]) -> None:
        """A batch is committed: go on behind it."""
        self.next_offsets.update(next_offsets)
        self.newest_at.update(newest_at)
        self._note_newest()

    @staticmethod
    def _goes_with(partition: TopicPartition, numbers: Container[int]) -> bool:
        """The offsets of prices go with the partition whose rater dead-letters them."""
        return (_DEAD_LETTERS_PRICES.partition if partition in _PRICES else partition.partition) in numbers

    def _checked_numbers(self, assigned: list[TopicPartition]) -> list[int]:
        numbers = sorted({partition.partition for partition in assigned})
        steady = {each for each in assigned if each.topic in _STEADY_NAMES}
        if steady != {TopicPartition(topic, number) for topic in _STEADY_NAMES for number in numbers}:
            raise MisassignedError(f"{' and '.join(_SOURCE_NAMES)} must have equally many partitions: got {assigned}")
        if numbers and numbers[-1] >= self._options.partitions:
            raise MisassignedError(f"partitions were added while this rater ran: it knows {self._options.partitions}")
        return numbers

    @staticmethod
    def _partitions_with_offsets(assigned: list[TopicPartition]) -> list[TopicPartition]:
        return [*assigned, *(_PRICES if _DEAD_LETTERS_PRICES in assigned else [])]

    def _needed(self, numbers: list[int], newest_at: Mapping[int, int]) -> dict[int, Needed]:
        """What the stores need, where the notes say it; the others read on from where they stand."""
        max_age = self._options.limits.max_age
        return {
            number: Needed.of(newest_at[number], max_age, self._log_behind[number])
            for number in numbers
            if number in self._log_behind and newest_at[number] > 0
        }

    def _newest_without_note(self, patience: Patience) -> dict[TopicPartition, int]:
        without_note = {
            each: 0 if answer is None else answer.offset
            for each, answer in self._committed.items()
            if each.topic in _SOURCE_NAMES and each not in self.newest_at
        }
        return self._log_reader.newest_before(without_note, self._clock.now_micros(), patience.stop)

    def _taken_ready(self) -> dict[int, LogEnd]:
        assert self._reading is not None
        try:
            return self._reading.take_ready()
        except OffsetOutOfRangeError as error:
            places = self.stores.places_of(error.topic_partition.partition)
            raise MisplacedOffsetError(
                f"{error}: remove {places}, and the ids of all movements are read from the log again"
            ) from error

    def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.stop()

    def _commit_alone(self, offsets: Mapping[TopicPartition, int]) -> None:
        if offsets:
            self._writer.begin()
            self._writer.commit(self._offsets.to_commit(offsets, {}, self._noted_log_behind()), self._consumer)

    def _noted_log_behind(self) -> dict[int, int]:
        """Where a broker stamps the log, what was measured before writing says nothing."""
        return self._log_behind if self._options.stamps_the_log else {}

    def _note_newest(self) -> None:
        self.stores.note_newest(self._older_newest_at())

    def _older_newest_at(self) -> dict[int, int]:
        """Stores forget ids by the older of usage events and top-ups. One topic may lag days behind the other, and the age of
        its events is measured by its own records. Adjustments do not count: most partitions never see one, and their stores
        would never forget. One that occurred before the time that the store remembers is refused, as others are."""
        return {
            number: min(self.newest_at.get(TopicPartition(topic, number), 0) for topic in _STEADY_NAMES)
            for number in range(self._options.partitions)
        }


def _rated_together(partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Without those of adjustments of which this rater has not the other two of their number: another has, and the store.

    So it is only while raters of an earlier version are in the group: they do not read adjustments, and all of these are shared
    out among the others. They wait until all raters are of this version.
    """
    numbers = {each.partition for each in partitions if each.topic in _STEADY_NAMES}
    left = sorted(each.partition for each in partitions if each.partition not in numbers)
    if left:
        logger.warning(
            "%s of partitions %s must wait: the group has raters of an earlier version, which do not read them",
            ADJUSTMENT_EVENTS.name,
            left,
        )
    return [each for each in partitions if each.partition in numbers]
