"""Where a rater goes on in each partition: at the offset that its group committed, and nowhere else unless it was told so.

An offset is committed with a note: of the topics that it is about (the one it is an offset of, and the log that has the
movements of all before it), and of how new the newest record before it was. Where Kafka keeps the note, a topic that was
deleted and made anew is noticed, and the age of an event is measured as it was before a restart.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.topics import CREDIT_MOVEMENTS, dead_letter_topic, topic_named
from streams.missing_offsets import MissingOffsets
from streams.poll import Place

logger = logging.getLogger(__name__)

T = TypeVar("T")

KAFKA_TIMEOUT_SECONDS = 10.0
_NEWEST = "; newest record "


class MisplacedOffsetError(Exception):
    """A partition cannot be gone on with where the group left off: one line that says why, and what would do."""


class KafkaSilentError(Exception):
    """Kafka does not tell now: ask again."""


class Offsets:
    """The offsets of a rater's group. `origins`: source topic → the note that its offsets are committed with.

    Methods that ask Kafka raise KafkaSilentError, and KafkaException for what asking again would not mend.
    """

    def __init__(self, consumer: Consumer, origins: Mapping[str, str], missing: MissingOffsets) -> None:
        self._consumer = consumer
        self._origins = origins
        self._missing = missing

    def to_commit(self, offsets: Mapping[Place, int], newest_at: Mapping[Place, int]) -> list[TopicPartition]:
        """These offsets with their notes. `newest_at`: of each place the time of its newest record, where it is known."""
        return [
            TopicPartition(*place, offset, _note(self._origins.get(place.topic, ""), newest_at.get(place)))
            for place, offset in offsets.items()
        ]

    def newest_at(self, committed: Mapping[Place, TopicPartition]) -> dict[Place, int]:
        """What the notes say of how new the newest record of each source partition was: only where they say it of this
        topic."""
        noted = {place: _read_note(answer.metadata) for place, answer in self._of_sources(committed)}
        return {
            place: newest
            for place, (origin, newest) in noted.items()
            if newest is not None and origin == self._origins[place.topic]
        }

    def committed(self, places: Iterable[Place]) -> dict[Place, TopicPartition]:
        """What is committed for each place, the offset negative where nothing is. Waits for open transactions."""
        asked = [TopicPartition(*place) for place in places]
        answers = _answer(lambda: self._consumer.committed(asked, KAFKA_TIMEOUT_SECONDS))
        for answer in answers:
            if answer.error is not None:
                raise KafkaException(answer.error)
        return {Place(answer.topic, answer.partition): answer for answer in answers}

    def first(self, committed: Mapping[Place, TopicPartition], log_ends: Mapping[int, int]) -> dict[Place, int]:
        """Where to begin in the source partitions that have no committed offset and of which nothing can have come yet.

        `log_ends`: where each partition of `credit-movements` ends. To be committed before any event is rated: so a
        partition that has been rated has a committed offset, and one that has none is one to stop at.
        """
        uncommitted = [place for place, answer in self._of_sources(committed) if answer.offset < 0]
        return {place: self._range(place)[0] for place in uncommitted if self._is_new(place, log_ends)}

    def misplaced(self, committed: Mapping[Place, TopicPartition]) -> dict[Place, str]:
        """The source partitions that cannot be gone on with where the group left off, and why not."""
        return {place: why for place, answer in self._of_sources(committed) if (why := self._fault(answer))}

    def chosen(self, misplaced: Mapping[Place, str]) -> dict[Place, int]:
        """Where to go on in such partitions. Raises MisplacedOffsetError unless that was told."""
        offsets = {}
        for place, why in misplaced.items():
            begin, end = self._range(place)
            told = f"{place.topic}, partition {place.partition} ({begin} to {end}): {why}"
            if self._missing is MissingOffsets.STOP:
                raise MisplacedOffsetError(
                    f"{told}. Choose: `credit-movements rate --missing-offsets=earliest` rates all that is there (what the log"
                    " has is not doubled, refusals are told again), `--missing-offsets=latest` leaves it out"
                )
            offsets[place] = begin if self._missing is MissingOffsets.EARLIEST else end
            logger.warning("%s; going on at %d, the %s", told, offsets[place], self._missing.value)
        return offsets

    def _range(self, place: Place) -> tuple[int, int]:
        """The first offset that a partition holds, and the one after the last."""
        asked = TopicPartition(*place)
        return _answer(lambda: self._consumer.get_watermark_offsets(asked, KAFKA_TIMEOUT_SECONDS))

    def _of_sources(self, committed: Mapping[Place, TopicPartition]) -> Iterator[tuple[Place, TopicPartition]]:
        return ((place, answer) for place, answer in committed.items() if place.topic in self._origins)

    def _is_new(self, place: Place, log_ends: Mapping[int, int]) -> bool:
        """Whether nothing can have come of the partition yet: it never held an event, or nothing was ever written."""
        letters = Place(dead_letter_topic(topic_named(place.topic)).name, place.partition)
        return self._range(place)[1] == 0 or (log_ends[place.partition] == 0 and self._range(letters)[1] == 0)

    def _fault(self, committed: TopicPartition) -> str | None:
        now = self._origins[committed.topic]
        if committed.offset < 0:
            return (
                f"no offset is committed, though events were rated: {committed.topic} was made anew, or Kafka forgot the"
                " offset (offsets.retention.minutes)"
            )
        origin, _ = _read_note(committed.metadata)
        if origin and origin != now:
            return (
                f"{committed.topic} or {CREDIT_MOVEMENTS.name} was made anew since offset {committed.offset} was committed"
                f" ({origin}; now {now})"
            )
        return None


def _note(origin: str, newest_at: int | None) -> str:
    return origin if newest_at is None else f"{origin}{_NEWEST}{newest_at}"


def _read_note(note: str | None) -> tuple[str, int | None]:
    origin, _, newest_at = (note or "").partition(_NEWEST)
    return origin, int(newest_at) if newest_at.isdigit() else None


def _answer(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except KafkaException as failure:
        error: KafkaError = failure.args[0]
        if error.fatal():
            raise
        raise KafkaSilentError(error.str()) from failure
