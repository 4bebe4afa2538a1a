"""How many dead letters there are, and the newest of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nlargest

from credit_movements.dead_letters.letter import Letter
from credit_movements.dead_letters.selection import Selection


@dataclass
class Line:
    """Letters of one topic and reason; `oldest` and `newest` are when they were written, microseconds."""

    topic: str
    reason: str
    count: int = 0
    oldest: int = 0
    newest: int = 0


@dataclass
class Listing:
    """`lines` by topic and reason, `newest` letters first."""

    lines: list[Line] = field(default_factory=list)
    newest: list[Letter] = field(default_factory=list)


def listed(batches: Iterable[list[Letter]], selection: Selection, limit: int) -> Listing:
    """Count the letters that `selection` takes, and keep the `limit` newest."""
    lines: dict[tuple[str, str], Line] = {}
    newest: list[Letter] = []
    for batch in batches:
        taken = [letter for letter in batch if selection.takes(letter)]
        for letter in taken:
            topic = letter.topic_partition.topic
            line = lines.setdefault((topic, letter.reason), Line(topic, letter.reason))
            line.oldest = min(line.oldest, letter.at) if line.count else letter.at
            line.newest = max(line.newest, letter.at)
            line.count += 1
        newest = nlargest(limit, [*newest, *taken], key=lambda letter: letter.at)
    return Listing([lines[key] for key in sorted(lines)], newest)
