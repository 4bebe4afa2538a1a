"""What was spent in each hour and on each day, by whom and where to: one bucket for each, where anything was spent.

A bucket has two sums: all that it has now, and what it had when the day of the log began. What is usual is taken from the
second one. So it is the same all day long, however the log is cut into batches, though late movements still come. It has the
number of its charges, too.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streams.alerts.judging.amounts import MOST_SPENT
from streams.events.sorted_keys import NONE, Ints
from streams.pricing.tables.growing import GrowingColumn
from streams.pricing.tables.hash_index import HashIndex, Mask

# The parts of a day: its hours, from 0 on, and all of it.
WHOLE_DAY: Final = 24
DAYS_OF_PAST: Final = 28
# A movement that is later than this counts in the balance alone.
MOST_DAYS_LATE: Final = 35
_PART_BITS, _DAY_BITS = 5, 18
_LAST_DAY = 2**_DAY_BITS - 1
_LEAST_TO_DROP = 1_000


def bucket_codes(slots: Ints, days: Ints, parts: Ints | int) -> Ints:
    """Of each bucket a number that no other has. `slots`: whose it is. They are sorted by slot, day and part."""
    codes: Ints = (((slots << _DAY_BITS) | np.clip(days, 0, _LAST_DAY)) << _PART_BITS) | parts
    return codes


def days_of(codes: Ints) -> Ints:
    days: Ints = codes >> _PART_BITS & _LAST_DAY
    return days


class Buckets:
    """All buckets of a partition."""

    def __init__(self) -> None:
        self._index = HashIndex()
        self._codes = GrowingColumn(np.int64)
        self._spent = GrowingColumn(np.int64)
        self._before = GrowingColumn(np.int64)
        self._count = GrowingColumn(np.int64)
        # The day of the log on which something was added last.
        self._changed_on = GrowingColumn(np.int64)
        self._is_told = GrowingColumn(np.bool_)
        self._columns: list[GrowingColumn[Any]] = [
            self._codes, self._spent, self._before, self._count, self._changed_on, self._is_told,
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self._codes)

    def add(self, codes: Ints, spent: Ints, counts: Ints, today: int) -> tuple[Ints, Ints]:
        """Add to these buckets, each once; `counts`: of how many charges. Returns what each had before, and of how many."""
        rows = self._find(codes)
        new = np.flatnonzero(rows == NONE)
        if len(new):
            rows[new] = np.arange(len(self), len(self) + len(new))
            self._index = self._index.added(codes[new].view(np.uint64), rows[new])
            self._codes.append(codes[new])
            for column in (self._spent, self._before, self._count):
                column.append(np.zeros(len(new), dtype=np.int64))
            self._changed_on.append(np.full(len(new), today))
            self._is_told.append(np.zeros(len(new), dtype=bool))
        before = self._spent.values[rows]
        is_first_today = self._changed_on.values[rows] < today
        self._before.values[rows] = np.where(is_first_today, before, self._before.values[rows])
        self._changed_on.values[rows] = today
        self._spent.values[rows] = np.minimum(before + spent, MOST_SPENT)
        count_before = self._count.values[rows]
        self._count.values[rows] = count_before + counts
        return before, count_before

    def before(self, codes: Ints, today: int) -> Ints:
        """What each of these buckets had when `today` began."""
        rows = self._find(codes)
        found = rows != NONE
        known = rows[found]
        spent = np.zeros(len(codes), dtype=np.int64)
        is_older = self._changed_on.values[known] < today
        spent[found] = np.where(is_older, self._spent.values[known], self._before.values[known])
        return spent

    def are_told(self, codes: Ints) -> Mask:
        rows = self._find(codes)
        told: Mask = (rows != NONE) & (len(self) > 0)
        told[told] = self._is_told.values[rows[told]]
        return told

    def tell(self, codes: Ints) -> None:
        self._is_told.values[self._find(codes)] = True

    def without_old(self, today: int) -> "Buckets":
        """Without those that nothing asks for any more, once they are many."""
        is_old = days_of(self._codes.values) < today - MOST_DAYS_LATE - DAYS_OF_PAST
        is_worth_it = int(is_old.sum()) >= max(_LEAST_TO_DROP, len(self) // 2)
        return Buckets.of([column[~is_old] for column in self.columns()]) if is_worth_it else self

    def columns(self) -> list[npt.NDArray[Any]]:
        """All that they know, for `of`."""
        return [column.values for column in self._columns]

    @classmethod
    def of(cls, columns: Sequence[npt.NDArray[Any]]) -> "Buckets":
        buckets = cls()
        for column, values in zip(buckets._columns, columns, strict=True):
            column.append(values)
        buckets._index = HashIndex().added(buckets._codes.values.view(np.uint64), np.arange(len(buckets)))
        return buckets

    def _find(self, codes: Ints) -> Ints:
        # A code is its own hash, so another bucket never has it.
        return self._index.find(codes.view(np.uint64), lambda wanted, _: np.ones(len(wanted), dtype=bool))
