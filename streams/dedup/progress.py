"""How far the log is read back: one thread tells it here, others look, the rater's loop, its pages and its metrics."""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

logger = logging.getLogger(__name__)

_MILLION = 1_000_000
# What is read within seconds is not worth a line.
_FIRST_LINE_AFTER_SECONDS = 2.0
_SECONDS_BETWEEN_LINES = 10.0


class LogEnd(NamedTuple):
    """Where a partition of the log ends. `log_behind`: how far its times lie behind those of its events at most (microseconds,
    see `needed`); None where not all of it was read."""

    offset: int
    log_behind: int | None


class Readiness(NamedTuple):
    """`assigned`: how many partitions this rater has, None before the group has answered. `rated`: how many of them it rates.
    `left`: how many movements its stores still have to read from the log; `reading`: the same in words."""

    assigned: int | None
    rated: int
    left: int
    reading: str

    @property
    def is_ready(self) -> bool:
        """Whether it rates, or would if it had partitions."""
        return self.assigned is not None and (self.assigned == 0 or self.rated > 0)

    def __str__(self) -> str:
        if self.assigned is None:
            return "waiting for the group to assign partitions, and for their committed offsets"
        if self.assigned == 0:
            return "ready: the group has more raters than partitions, and none for this one"
        rating = f"rating {self.rated} of {self.assigned} partitions"
        return f"{rating}; {self.reading}" if self.reading else rating


class Progress:
    """Of the partitions that are read back, by their numbers. Any thread may call it."""

    def __init__(self, monotonic_seconds: Callable[[], float]) -> None:
        self._now = monotonic_seconds
        self._lock = threading.Lock()
        self._begun_at_seconds: float | None = None
        self._begins: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._log_behind: dict[int, int] = {}
        self._read = 0
        self._at_end: dict[int, LogEnd] = {}
        self._ended: set[int] = set()
        self._tell_at_seconds = 0.0

    def begin(self, number: int, offset: int, end: int) -> None:
        """A partition is to be read from `offset` to `end`, which may be more by then. Call it again to go on."""
        with self._lock:
            if self._begun_at_seconds is None:
                self._begun_at_seconds = self._now()
                self._tell_at_seconds = self._begun_at_seconds + _FIRST_LINE_AFTER_SECONDS
            self._begins.setdefault(number, offset)
            self._positions[number] = offset
            self._ends[number] = end

    def read_to(self, number: int, offset: int, count: int, log_behind: int) -> None:
        """Its next `count` records are read, and end before `offset`. `log_behind`: of these; only where it `is_whole`."""
        with self._lock:
            self._positions[number] = offset
            self._read += count
            self._log_behind[number] = max(self._log_behind.get(number, 0), log_behind)

    def is_whole(self, number: int) -> bool:
        """Whether it is read from the log's beginning, so that what is measured on it is measured on all."""
        return self._begins[number] == 0

    def reach_end(self, number: int, offset: int) -> None:
        """Its store knows all up to the log's end: who takes it from here may use the store."""
        with self._lock:
            self._ended.add(number)
            self._at_end[number] = LogEnd(offset, self._log_behind.get(number, 0) if self.is_whole(number) else None)
            for each in (self._begins, self._positions, self._ends):
                del each[number]

    def take_ready(self) -> dict[int, LogEnd]:
        """The partitions that have reached their ends since the last call."""
        with self._lock:
            ready, self._at_end = self._at_end, {}
            return ready

    @property
    def has_ready(self) -> bool:
        return bool(self._at_end)

    def has_ended(self, number: int) -> bool:
        return number in self._ended

    def tell(self) -> None:
        """Log how far it is, now and then, if it takes long."""
        if self._now() >= self._tell_at_seconds and (words := str(self)):
            self._tell_at_seconds = self._now() + _SECONDS_BETWEEN_LINES
            logger.info("reading the log back: %s", words)

    def left(self, number: int) -> int:
        """How many records are still to be read, about: the log has markers too."""
        with self._lock:
            return max(self._ends[number] - self._positions[number], 0)

    @property
    def left_in_all(self) -> int:
        with self._lock:
            return self._left_in_all()

    def __str__(self) -> str:
        """In words; nothing where nothing is left to read."""
        with self._lock:
            if not self._ends:
                return ""
            left, numbers = self._left_in_all(), sorted(self._ends)
            read = sum(self._positions[each] - self._begins[each] for each in numbers)
            which = f"partition{'s' if numbers[1:] else ''} {', '.join(map(str, numbers))}"
            return f"{which}: {_amounts(read, read + left)} movements read back{self._time_left(left)}"

    def _left_in_all(self) -> int:
        return sum(max(self._ends[each] - self._positions[each], 0) for each in self._ends)

    def _time_left(self, left: int) -> str:
        seconds = self._now() - (self._begun_at_seconds or 0)
        return f", about {left * seconds / self._read:.0f} s left" if self._read and seconds > 0 else ""


def _amounts(read: int, of: int) -> str:
    if of < _MILLION:
        return f"{read:,} of {of:,}"
    return f"{read / _MILLION:.1f} of {of / _MILLION:.1f} million"
