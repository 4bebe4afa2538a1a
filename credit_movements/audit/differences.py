"""Everything that an audit can find wrong, by name, with the first examples of each."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import NamedTuple

EXAMPLES_OF_A_KIND = 5


@unique
class Kind(StrEnum):
    """What can be wrong, in the order of the data's way: source topics and log, the log itself, log and ClickHouse."""

    LOST = "lost"
    EXPIRED = "expired"
    FALSE_DUPLICATE = "false_duplicate"
    DOUBLED = "doubled"
    NOT_ITS_EVENT = "not_its_event"
    NO_SOURCE = "no_source"
    ALTERED_DEAD_LETTER = "altered_dead_letter"
    NO_MOVEMENT = "no_movement"
    UNKNOWN_RATE = "unknown_rate"
    WRONG_RATE = "wrong_rate"
    WRONG_AMOUNT = "wrong_amount"
    MISSING_ROW = "missing_row"
    SURPLUS_ROW = "surplus_row"
    CHANGED_ROW = "changed_row"
    WRONG_SUM = "wrong_sum"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Kind.LOST: "consumed, but neither movement nor dead letter, and no movement has its id",
    Kind.EXPIRED: "deleted by the topic's retention before a rater read it",
    Kind.FALSE_DUPLICATE: "dropped as a duplicate, but the movement of its id says something else or came later",
    Kind.DOUBLED: "accounted for more than once",
    Kind.NOT_ITS_EVENT: "a movement that says something else than the event at the position that it names",
    Kind.NO_SOURCE: "a movement or dead letter that names a position where no event lies",
    Kind.ALTERED_DEAD_LETTER: "a dead letter whose bytes are not the event's",
    Kind.NO_MOVEMENT: "a record of the log that is no movement",
    Kind.UNKNOWN_RATE: "a movement that names a rate or card which the topic of rates does not have",
    Kind.WRONG_RATE: "a movement whose rate does not cover its number or was not in force",
    Kind.WRONG_AMOUNT: "a movement that its rate, recomputed, does not give",
    Kind.MISSING_ROW: "in the log, and not in ClickHouse though the sink has passed it",
    Kind.SURPLUS_ROW: "in ClickHouse, and not in the log, or twice",
    Kind.CHANGED_ROW: "not the same in ClickHouse as in the log",
    Kind.WRONG_SUM: "a sum of a block that its movements in ClickHouse do not add up to (`rebuild` makes all sums anew)",
}


class Difference(NamedTuple):
    """One thing that is wrong: where (`topic/partition@offset`), whose (an id, or ''), and what."""

    kind: Kind
    position: str
    id: str
    detail: str


def position_name(topic: str, partition: int, offset: int) -> str:
    return f"{topic}/{partition}@{offset}"


@dataclass(frozen=True)
class Found:
    """`count` of one kind, and a few of them."""

    kind: Kind
    count: int
    examples: list[Difference]


class Findings:
    """Counts everything that is wrong and keeps the first EXAMPLES_OF_A_KIND of each kind."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._examples: dict[Kind, list[Difference]] = {}

    @property
    def total(self) -> int:
        return self._counts.total()

    def count(self, kind: Kind) -> int:
        return self._counts[kind]

    def room(self, kind: Kind) -> int:
        """How many more examples of a kind are wanted."""
        return EXAMPLES_OF_A_KIND - len(self._examples.get(kind, []))

    def add(self, kind: Kind, count: int, examples: Iterable[tuple[str, str, str]]) -> None:
        """`count` more of a kind; `examples` gives (position, id, detail) of each; only the first few are taken."""
        self._counts[kind] += count
        kept = self._examples.setdefault(kind, [])
        for example in examples if self.room(kind) > 0 else ():
            kept.append(Difference(kind, *example))
            if self.room(kind) <= 0:
                break

    @classmethod
    def merged(cls, parts: Iterable["Findings"]) -> "Findings":
        """All that each of them has."""
        merged = cls()
        for part in parts:
            for found in part.found():
                merged.add(found.kind, found.count, (each[1:] for each in found.examples))
        return merged

    def found(self) -> list[Found]:
        """What was found, in the order of the kinds."""
        return [
            Found(kind, self._counts[kind], self._examples.get(kind, [])) for kind in Kind if self._counts[kind] > 0
        ]
