"""How far a round has proved: where log, dead letters and source topics can be cut so that nothing hangs over the cut.

A movement below the cut of the log belongs to an event below the cut of its source, and the outcome of an event below lies
below. Only then is a round free to begin at the cut, and to know of the rest no more than the ids. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.events.sorted_keys import Ints

# Each step leads at least one batch of a rater back. A partition in order needs two.
_MOST_STEPS: Final = 64


@dataclass(frozen=True)
class Outcomes:
    """Movements or dead letters of one source: the offset of each in its own topic, and the offset of its event."""

    offsets: Ints
    source_offsets: Ints

    def first_of(self, source_offset: int, end: int) -> int:
        """The least offset of one whose event lies at `source_offset` or behind; `end` where there is none."""
        return int(self.offsets.min(where=self.source_offsets >= source_offset, initial=end))

    def first_event_from(self, offset: int, end: int) -> int:
        """The least offset of an event whose outcome lies at `offset` or behind; `end` where there is none."""
        return int(self.source_offsets.min(where=self.offsets >= offset, initial=end))


@dataclass(frozen=True)
class Cut:
    """Offsets: of the log, and by source topic of the events and the dead letters."""

    log_to: int
    sources_to: dict[str, int]
    letters_to: dict[str, int]


def cut(
    movements: Mapping[str, Outcomes],
    letters: Mapping[str, Outcomes],
    log_end: int,
    letter_ends: Mapping[str, int],
    committed: Mapping[str, int],
) -> Cut | None:
    """The farthest cut. Events below `committed` have their outcomes, and movements below `log_end` their rows.

    None where the outcomes lie in no order, so that no cut was found. All mappings are by source topic.
    """
    log_to, sources_to, letters_to = log_end, dict(committed), dict(letter_ends)
    for _ in range(_MOST_STEPS):
        before = log_to, dict(sources_to), dict(letters_to)
        for topic, moved in movements.items():
            log_to = moved.first_of(sources_to[topic], log_to)
        for topic, moved in movements.items():
            sources_to[topic] = moved.first_event_from(log_to, sources_to[topic])
            letters_to[topic] = letters[topic].first_of(sources_to[topic], letters_to[topic])
            sources_to[topic] = letters[topic].first_event_from(letters_to[topic], sources_to[topic])
        if before == (log_to, sources_to, letters_to):
            return Cut(log_to, sources_to, letters_to)
    return None


def nothing() -> Outcomes:
    return Outcomes(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
