"""Warns of destinations that were meant as numbers and are none: they find only the prices of the prefix ''."""

import itertools
import logging
import re
from collections import Counter as Counts
from collections.abc import Callable, Container
from math import inf

import polars as pl
from prometheus_client import Counter

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 60.0
_SHOWN_DIGITS = 4
_SHOWN_CHARACTERS = 60
# The label of types without a rate: a publisher may send any number of those.
_UNKNOWN_TYPE = ""


class NumberWatch:
    """Counts such destinations by usage type, and logs them once a minute at most, with one example."""

    def __init__(self, counter: Counter, monotonic_seconds: Callable[[], float]) -> None:
        self._counter = counter
        self._now = monotonic_seconds
        self._said_at = -inf
        self._not_said: Counts[str] = Counts()

    def note(self, events: pl.DataFrame, known_types: Container[str]) -> None:
        """`events` (EVENT_COLUMNS): those of a batch whose destination has digits and is no number."""
        for usage_type, count in events["usage_type"].value_counts().iter_rows():
            label = usage_type if usage_type in known_types else _UNKNOWN_TYPE
            self._counter.labels(label).inc(count)
            self._not_said[label] += count
        now = self._now()
        if not len(events) or now - self._said_at < _SECONDS_BETWEEN_LINES:
            return
        example = events.row(0, named=True)
        logger.warning(
            "%d destinations have digits and are no numbers (%s): only prices of the prefix '' are for them. One is %s in %s,"
            " partition %d, offset %d. Numbers should come in E.164, as +442079460000",
            self._not_said.total(),
            ", ".join(
                f"{ascii(each) if each else 'other types'}: {count}" for each, count in sorted(self._not_said.items())
            ),
            shape_of(example["destination"]),
            example["source_topic"],
            example["partition"],
            example["offset"],
        )
        self._said_at = now
        self._not_said.clear()


def shape_of(destination: str) -> str:
    """Shows why a destination is no number, but not whose it is: its first digits, # for the others and x for letters."""
    scheme = re.match(r"(?i)\W*(?:tel|sips?):", destination)
    start = scheme.end() if scheme else 0
    digits = itertools.count()
    shape = "".join(_shown(each, digits) for each in destination[start:_SHOWN_CHARACTERS])
    return ascii(f"{destination[:start]}{shape}{'...' * (len(destination) > _SHOWN_CHARACTERS)}")


def _shown(character: str, digits: "itertools.count[int]") -> str:
    if character.isdecimal():
        return character if next(digits) < _SHOWN_DIGITS else "#"
    return "x" if character.isalnum() else character
