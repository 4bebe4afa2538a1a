"""The balance of each account, and when it falls below what it should have."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.alerts.judging.amounts import Wide, running
from streams.alerts.judging.crossings import NEVER_THERE, Mask, falls, well_above
from streams.alerts.judging.rules import DAYS_OF_PACE, HOURS_OF_A_DAY, RowRules
from streams.events.sorted_keys import Ints, first_entries
from streams.pricing.tables.growing import GrowingColumn

_NO_DAY: Final = -1
# Accounts (numbers) and a day → what each spent on that day, as it was known when the present day began.
SpentOn = Callable[[Ints, int], Ints]


class Balances(NamedTuple):
    """For each row: the balance after it, whether it fell below one of the two thresholds, and how much is gone within the
    hours of `empty_soon` at the account's pace."""

    after: Wide
    is_low: Mask
    is_soon_empty: Mask
    gone_soon: Ints


class BalanceTable:
    """An account's row is its number."""

    def __init__(self) -> None:
        self._units = GrowingColumn(np.int64)
        self._rest = GrowingColumn(np.int64)
        self._known_since = GrowingColumn(np.int64)
        self._low = GrowingColumn(np.int8)
        self._soon = GrowingColumn(np.int8)
        # What it spends in an hour, and the day of the log of which that is.
        self._pace = GrowingColumn(np.int64)
        self._pace_day = GrowingColumn(np.int64)
        self._columns: list[GrowingColumn[Any]] = [
            self._units, self._rest, self._known_since, self._low, self._soon, self._pace, self._pace_day,
        ]  # fmt: skip

    @property
    def known_since(self) -> Ints:
        """The day of the log on which each account's first movement came."""
        return self._known_since.values

    def know(self, count: int, today: int) -> None:
        """Have rows for so many accounts."""
        new = count - len(self._units)
        first_values = (0, 0, today, NEVER_THERE, NEVER_THERE, 0, _NO_DAY)
        for column, value in zip(self._columns, first_values, strict=True):
            column.append(np.full(new, value))

    def move(self, accounts: Ints, nanos: Ints, rules: RowRules, today: int, spent_on: SpentOn) -> Balances:
        """Apply movements, in the order of the log."""
        order = np.argsort(accounts, kind="stable")
        is_first = first_entries(accounts[order])
        groups, firsts = np.cumsum(is_first) - 1, np.flatnonzero(is_first)
        moved = accounts[order][firsts]
        self._keep_pace(moved, today, spent_on)
        before = Wide(self._units.values[moved], self._rest.values[moved])
        after = running(nanos[order], groups, firsts, before)
        gone_soon = self._pace.values[moved][groups] * rules.empty_soon_hours[order]
        is_low = self._falls(self._low, moved, groups, firsts, after, rules.low_balance_nanos[order])
        is_soon_empty = self._falls(self._soon, moved, groups, firsts, after, gone_soon)
        ends = np.append(firsts[1:], len(order)) - 1
        self._units.values[moved], self._rest.values[moved] = after.units[ends], after.rest[ends]
        back = np.argsort(order)
        # At no pace nothing is gone, however little there is.
        is_soon_empty &= gone_soon > 0
        return Balances(Wide(after.units[back], after.rest[back]), is_low[back], is_soon_empty[back], gone_soon[back])

    def columns(self) -> list[npt.NDArray[Any]]:
        """All that it knows, for `of`."""
        return [column.values for column in self._columns]

    @classmethod
    def of(cls, columns: Sequence[npt.NDArray[Any]]) -> "BalanceTable":
        table = cls()
        for column, values in zip(table._columns, columns, strict=True):
            column.append(values)
        return table

    def _falls(
        self, states: GrowingColumn[np.int8], moved: Ints, groups: Ints, firsts: Ints, after: Wide, thresholds: Ints
    ) -> Mask:
        is_below, is_well_above = after.is_below(thresholds), ~after.is_below(well_above(thresholds))
        is_fall, states.values[moved] = falls(states.values[moved], groups, firsts, is_below, is_well_above)
        return is_fall

    def _keep_pace(self, accounts: Ints, today: int, spent_on: SpentOn) -> None:
        """The pace of a day is that of the days before it. So it is the same all day long."""
        late = accounts[self._pace_day.values[accounts] < today]
        if not len(late):
            return
        days = np.minimum(today - self.known_since[late], DAYS_OF_PACE)
        # Each day is divided before it is added: so nothing wraps.
        hours = np.maximum(days, 1) * HOURS_OF_A_DAY
        paces = [
            np.where(days >= back, spent_on(late, today - back) // hours, 0) for back in range(1, DAYS_OF_PACE + 1)
        ]
        self._pace.values[late] = np.sum(paces, axis=0)
        self._pace_day.values[late] = today
