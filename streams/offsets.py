"""Where a rater goes on in each partition: at the offset that its group committed, or where the operator has chosen.

An offset is committed with a note. The note names the source topic and the log that has the movements of all earlier records,
the time of the newest earlier record, how far the log's times lie behind those of its events at most (see `dedup.needed`), and
the settings with which all of them were rated. Where Kafka keeps the note, the rater notices a topic that was deleted and made
anew, measures the age of events after a restart as before, reads back only what it needs of the log, and notices that another
rater has other settings.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException

from kafka_io import offsets as group_offsets
from kafka_io.access.refusals import told
from kafka_io.errors import Outage, UserError
from kafka_io.offsets import OffsetAndNote
from kafka_io.positions import TopicPartition
from schemas.topics import ADJUSTMENT_EVENTS, CREDIT_MOVEMENTS, dead_letter_topic, topic_named
from streams.missing_offsets import MissingOffsets

logger = logging.getLogger(__name__)

T = TypeVar("T")

Committed = Mapping[TopicPartition, OffsetAndNote | None]


class MisplacedOffsetError(UserError):
    """The committed offset of a partition is missing or of no use. The message says why, and what to do."""


class KafkaSilentError(Outage):
    """Kafka does not answer now: ask again."""


@dataclass(frozen=True)
class _Note:
    """The text that is committed beside an offset. `newest_at` and `log_behind`: microseconds, None where not known."""

    origin: str
    newest_at: int | None
    log_behind: int | None
    rated_with: str

    def __str__(self) -> str:
        times = (f"newest record {_written(self.newest_at)}", f"log behind {_written(self.log_behind)}")
        return "; ".join((self.origin, *times, f"rated with {self.rated_with}"))

    @classmethod
    def read(cls, text: str | None) -> "_Note":
        """Read a note. One of an earlier version, or none at all, leaves fields empty."""
        origin, _, rest = (text or "").partition("; newest record ")
        times, _, rated_with = rest.partition("; rated with ")
        newest_at, _, log_behind = times.partition("; log behind ")
        return cls(origin, _read(newest_at), _read(log_behind), rated_with)


def _written(micros: int | None) -> str:
    return "" if micros is None else str(micros)


def _read(micros: str) -> int | None:
    return int(micros) if micros.isdigit() else None


class Offsets:
    """The offsets of a rater's group. `origins`: source topic → a text that identifies it and the log. `rated_with`: the
    settings that decide how an event ends, in words.

    Methods that ask Kafka raise KafkaSilentError, and KafkaException where asking again would not help.
    """

    def __init__(
        self, consumer: Consumer, origins: Mapping[str, str], missing: MissingOffsets, rated_with: str = ""
    ) -> None:
        self._consumer = consumer
        self._origins = origins
        self._rated_with = rated_with
        self._missing = missing

    def to_commit(
        self,
        offsets: Mapping[TopicPartition, int],
        newest_at: Mapping[TopicPartition, int],
        log_behind: Mapping[int, int],
    ) -> dict[TopicPartition, OffsetAndNote]:
        """These offsets with their notes. `newest_at`: the time of each partition's newest record, where it is known.
        `log_behind`: partition number → how far the log's times lie behind its events, where that is known."""
        return {
            each: OffsetAndNote(offset, str(self._note(each, newest_at.get(each), log_behind.get(each.partition))))
            for each, offset in offsets.items()
        }

    def _note(self, partition: TopicPartition, newest_at: int | None, log_behind: int | None) -> "_Note | str":
        """Only source topics have an origin, and so a note."""
        origin = self._origins.get(partition.topic)
        return "" if origin is None else _Note(origin, newest_at, log_behind, self._rated_with)

    def newest_at(self, committed: Committed) -> dict[TopicPartition, int]:
        """The time of the newest record of each source partition, by its note. Only notes about this topic count."""
        noted = self._notes(committed)
        return {partition: note.newest_at for partition, note in noted.items() if note.newest_at is not None}

    def log_behind(self, committed: Committed) -> dict[int, int]:
        """Partition number → how far the log's times lie behind those of its events at most. Only where all notes say
        it: one that does not may be of a rater that did not measure it. Without an offset for adjustments none was rated, and
        there is nothing to measure."""
        noted = self._notes(committed)
        found = {}
        for number in {partition.partition for partition in committed}:
            notes = [noted.get(each) for each in self._rated_before(committed, number)]
            said = [note.log_behind for note in notes if note is not None and note.log_behind is not None]
            if len(said) == len(notes):
                found[number] = max(said)
        return found

    def _rated_before(self, committed: Committed, number: int) -> list[TopicPartition]:
        """The source partitions of a number, without that of adjustments where no offset of it is committed."""
        of_number = (TopicPartition(topic, number) for topic in self._origins)
        return [each for each in of_number if each.topic != ADJUSTMENT_EVENTS.name or committed.get(each) is not None]

    def _notes(self, committed: Committed) -> dict[TopicPartition, _Note]:
        noted = {partition: _Note.read(answer.note) for partition, answer in self._of_sources(committed) if answer}
        return {partition: note for partition, note in noted.items() if note.origin == self._origins[partition.topic]}

    def log_other_settings(self, committed: Committed) -> None:
        """Log where earlier events were rated with other settings: another rater has them, or the operator changed them."""
        for partition, answer in self._of_sources(committed):
            before = _Note.read(answer.note).rated_with if answer else ""
            if answer and before and before != self._rated_with:
                logger.warning(
                    "%s, partition %d: rated with %s before offset %d, and with %s from there; all raters of a group must have"
                    " the same settings",
                    *partition,
                    before,
                    answer.offset,
                    self._rated_with,
                )

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, OffsetAndNote | None]:
        """The committed offset of each partition, None where there is none. Waits for open transactions."""
        return _answer(lambda: group_offsets.committed(self._consumer, partitions))

    def first(self, committed: Committed, log_ends: Mapping[int, int]) -> dict[TopicPartition, int]:
        """Where to begin in the source partitions that have no committed offset because no event of theirs was rated yet.

        `log_ends`: where each partition of `credit-movements` ends. Commit these offsets before rating: then each partition
        that was rated has a committed offset, and one that was rated and has none must stop the rater.
        """
        uncommitted = [partition for partition, answer in self._of_sources(committed) if answer is None]
        return {partition: self._range(partition)[0] for partition in uncommitted if self._is_new(partition, log_ends)}

    def misplaced(self, committed: Committed) -> dict[TopicPartition, str]:
        """Source partition → why its committed offset is missing or of no use."""
        faults = {partition: self._fault(partition.topic, answer) for partition, answer in self._of_sources(committed)}
        return {partition: why for partition, why in faults.items() if why}

    def chosen(self, misplaced: Mapping[TopicPartition, str]) -> dict[TopicPartition, int]:
        """Where to go on in such partitions. Raises MisplacedOffsetError unless the operator has chosen."""
        offsets = {}
        for partition, why in misplaced.items():
            begin, end = self._range(partition)
            what = f"{partition.topic}, partition {partition.partition} ({begin} to {end}): {why}"
            if self._missing is MissingOffsets.STOP:
                raise MisplacedOffsetError(
                    f"{what}. Choose: `credit-movements rate --missing-offsets=earliest` rates all that is there (what the log"
                    " has is not doubled, refusals become dead letters again), `--missing-offsets=latest` leaves it out"
                )
            offsets[partition] = begin if self._missing is MissingOffsets.EARLIEST else end
            logger.warning("%s; going on at %d, the %s", what, offsets[partition], self._missing.value)
        return offsets

    def _range(self, partition: TopicPartition) -> tuple[int, int]:
        """The first offset that a partition holds, and the one after the last."""
        return _answer(lambda: group_offsets.offset_range(self._consumer, partition, group_offsets.ANSWER_SECONDS))

    def _of_sources(self, committed: Committed) -> Iterator[tuple[TopicPartition, OffsetAndNote | None]]:
        return ((partition, answer) for partition, answer in committed.items() if partition.topic in self._origins)

    def _is_new(self, partition: TopicPartition, log_ends: Mapping[int, int]) -> bool:
        """Whether no event of the partition was rated yet: it never held one, or no movement and no dead letter was written."""
        letters = TopicPartition(dead_letter_topic(topic_named(partition.topic)).name, partition.partition)
        return self._range(partition)[1] == 0 or (log_ends[partition.partition] == 0 and self._range(letters)[1] == 0)

    def _fault(self, topic: str, committed: OffsetAndNote | None) -> str | None:
        now = self._origins[topic]
        if committed is None:
            return (
                f"no offset is committed, though events were rated: {topic} was made anew, or Kafka forgot the"
                " offset (offsets.retention.minutes)"
            )
        origin = _Note.read(committed.note).origin
        if origin and origin != now:
            return (
                f"{topic} or {CREDIT_MOVEMENTS.name} was made anew since offset {committed.offset} was committed"
                f" ({origin}; now {now})"
            )
        return None


def _answer(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except KafkaException as failure:
        error: KafkaError = failure.args[0]
        if error.fatal():
            raise
        raise KafkaSilentError(told(error)) from failure
