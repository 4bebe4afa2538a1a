"""Which dead letters a command is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from credit_movements.dead_letters.letter import Letter
from kafka_io.errors import UserError
from schemas.dead_letters import Reason
from schemas.topics import DEAD_LETTER_SUFFIX, DEAD_LETTER_TOPICS
from streams.pricing.rates import micros_of

SOURCE_NAMES = tuple(topic.name.removesuffix(DEAD_LETTER_SUFFIX) for topic in DEAD_LETTER_TOPICS)


class BadSelectionError(UserError):
    """An option names dead letters that cannot exist: one line."""


@dataclass(frozen=True)
class Selection:
    """`topics`: source topics. `reasons`: empty means any. `since` <= written at < `until`, microseconds, None: open."""

    topics: tuple[str, ...]
    reasons: frozenset[str]
    since: int | None
    until: int | None

    def takes(self, letter: Letter) -> bool:
        """Whether a letter of one of `topics` is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )


def selection(
    topics: Sequence[str],
    reasons: Sequence[str],
    since: str | None,
    until: str | None,
    possible_topics: Sequence[str] = SOURCE_NAMES,
) -> Selection:
    """From options as people write them. Raises BadSelectionError."""
    names = tuple(dict.fromkeys(name.removesuffix(DEAD_LETTER_SUFFIX) for name in topics)) or tuple(possible_topics)
    for name in names:
        if name not in possible_topics:
            raise BadSelectionError(f"--topic {name}: must be one of {', '.join(possible_topics)}")
    for reason in reasons:
        if reason not in set(Reason):
            raise BadSelectionError(f"--reason {reason}: must be one of {', '.join(Reason)}")
    return Selection(names, frozenset(reasons), micros_of_option("--since", since), micros_of_option("--until", until))


def micros_of_option(option: str, text: str | None) -> int | None:
    """The time that an option gives, None where it is not given. Raises BadSelectionError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadSelectionError(f"{option} {text}: no ISO 8601 time such as 2026-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise BadSelectionError(f"{option} {text}: has no time zone: write {text}Z for UTC")
    return micros_of(at)
