"""Sums of nanos that never wrap. A balance may be larger than 64 bits hold, and so may be what many movements add up to."""

from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.events.sorted_keys import Ints

UNIT: Final = 10**9
# What a bucket of spending counts to; more is told as this much. Nine times of it are still 64 bits.
MOST_SPENT: Final = 2**59


class Wide(NamedTuple):
    """Amounts as whole units and the nanos above them, 0 to 10^9 - 1."""

    units: Ints
    rest: Ints

    @classmethod
    def of(cls, nanos: Ints) -> "Wide":
        return cls(*np.divmod(nanos, UNIT))

    def is_below(self, nanos: Ints) -> npt.NDArray[np.bool_]:
        other = Wide.of(nanos)
        has_less: npt.NDArray[np.bool_] = (self.units == other.units) & (self.rest < other.rest)
        return has_less | (self.units < other.units)

    def nanos(self, row: int) -> int | None:
        """One of them, None where 64 bits do not hold it."""
        found = int(self.units[row]) * UNIT + int(self.rest[row])
        return found if -(2**63) <= found < 2**63 else None


def running(nanos: Ints, groups: Ints, firsts: Ints, before: Wide) -> Wide:
    """What each group has after each row. Rows lie by group (`groups`, from 0 on; each begins at its `firsts`)."""
    amounts = Wide.of(nanos)
    units, rest = (_within(column, groups, firsts) for column in amounts)
    carried, rest = np.divmod(rest + before.rest[groups], UNIT)
    return Wide(units + carried + before.units[groups], rest)


def spent_together(spent: Ints, firsts: Ints) -> Ints:
    """The sum of each group of rows, MOST_SPENT at most. Rows (not negative) lie by group, each begins at its `firsts`."""
    if not len(firsts):
        return np.zeros(0, dtype=np.int64)
    units, rest = (np.add.reduceat(column, firsts) for column in Wide.of(spent))
    units += rest // UNIT
    total: Ints = np.where(units >= MOST_SPENT // UNIT, MOST_SPENT, units * UNIT + rest % UNIT)
    return total


def plain(nanos: int) -> str:
    """As people write it: `-0.03`, `10`."""
    return f"{Decimal(nanos).scaleb(-9).normalize():f}"


def _within(column: Ints, groups: Ints, firsts: Ints) -> Ints:
    total = np.cumsum(column)
    sums: Ints = total - (total[firsts] - column[firsts])[groups]
    return sums
