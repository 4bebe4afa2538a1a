"""What is found out about one event, and how a person's question can be wrong. Pure."""

import re
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple

from kafka_io.errors import UserError
from kafka_io.positions import TopicPartition

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Fields = dict[str, Any]


class NotExplainedError(UserError):
    """The id is none, or nothing is known of it: one line."""


# How many records are looked through unless more are asked for: a fraction of a second.
MOST_RECORDS: Final = 100_000


class Question(NamedTuple):
    """`account_id`: of this account only. `since`: look through what was written since (microseconds). `most`: look through so
    many records at most. `time_zone`: of the line as the CSV has it."""

    event_id: str
    account_id: str | None = None
    since: int | None = None
    most: int = MOST_RECORDS
    time_zone: str = "UTC"


@unique
class Fate(StrEnum):
    """What became of a record."""

    MOVEMENT = "movement"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead_letter"
    WAITING = "waiting"
    UNKNOWN = "unknown"


class Place(NamedTuple):
    """Where a record lies."""

    partition: TopicPartition
    offset: int

    @property
    def name(self) -> str:
        """What a person calls it: topic/partition@offset."""
        return f"{self.partition.topic}/{self.partition.partition}@{self.offset}"

    @classmethod
    def of_movement(cls, movement: Fields) -> "Place":
        """Where the event of a movement lay."""
        partition = TopicPartition(movement["source_topic"], movement["source_partition"])
        return cls(partition, movement["source_offset"])


class Step(NamedTuple):
    """One step from the event to the price. Both are texts for people; `why` is '' where the value speaks for itself."""

    name: str
    value: str
    why: str = ""


@dataclass(frozen=True)
class Record:
    """A record of a source topic. `recorded_at`: Kafka's time, microseconds. Where the record itself is gone, `recorded_at` is
    None, and so is `value` unless its dead letter has it. `fields` are those that could be read."""

    place: Place
    recorded_at: int | None
    fields: Fields
    value: bytes | None


@dataclass(frozen=True)
class Copy:
    """A record with the id, and what became of it: `why` says it to a person. `letter`: the name of its dead letter."""

    record: Record
    fate: Fate
    why: str
    letter: str | None = None


class Searched(NamedTuple):
    """How much of a topic was looked through: `records` of `of` offsets, in `partitions` partitions."""

    topic: str
    partitions: int
    records: int
    of: int


@dataclass(frozen=True)
class HeldBy:
    """An export whose file has the movement. Times are microseconds."""

    export_id: str
    requested_at: int
    file_name: str
    link_ends_at: int | None


@dataclass
class Explanation:
    """All that is known of one id.

    `copy` is the event itself, `copies` are other records of its id. `movement` has the fields of CreditMovement.
    `disagreements`: what the rater's functions, asked again, give otherwise than the ledger has; None where there is no
    movement, or one of an earlier log whose prices are gone. `exports` is None where the storage could not be asked, and
    `exports_why` says why.
    """

    event_id: str
    copy: Copy
    copies: list[Copy]
    searched: list[Searched]
    movement: Fields | None = None
    disagreements: list[str] | None = None
    steps: list[Step] = field(default_factory=list)
    csv_line: str | None = None
    adjustments: list[Fields] = field(default_factory=list)
    exports: list[HeldBy] | None = field(default_factory=list)
    exports_why: str = ""


def is_id(text: str) -> bool:
    """Whether it can be the id of a movement, in its canonical form."""
    return _UUID.fullmatch(text) is not None


def checked_id(text: str) -> str:
    """The id in its canonical form. Raises NotExplainedError."""
    if not is_id(text.lower()):
        raise NotExplainedError(
            f"{text!r} is no id of an event or movement: 36 characters such as 3f0d6f0e-5a4b-4c57-9a5e-2f1f0a6c9b11"
        )
    return text.lower()
