"""The thresholds that accounts have of their own, with their history: what was in force when a movement occurred."""

from typing import Final

import numpy as np
import polars as pl

from streams.alerts.judging.amounts import MOST_SPENT
from streams.alerts.judging.rules import RowRules, Rules
from streams.events.sorted_keys import NONE, Ints, last_at_or_before
from streams.pricing.tables.name_table import NameTable

# A balance beyond it cannot be told either.
_FARTHEST_BALANCE: Final = 2**62
_MOST_HOURS: Final = 168


class AccountSettings:
    """All that was published. Of two records of one account and instant the later one stands."""

    def __init__(self, default: Rules) -> None:
        self.default = _bounded(default)
        self._accounts = NameTable()
        self._records: list[pl.DataFrame] = []
        self._table = pl.DataFrame()
        self._begins = self._firsts = self._ends = np.zeros(0, dtype=np.int64)

    def put(self, records: pl.DataFrame) -> None:
        """Take the next records of the topic, with the columns of AlertSettings."""
        if not len(records):
            return
        self._records.append(records.with_columns(pl.Series("account", self._accounts.numbered(records["account_id"]))))
        by_time = ["account", "effective_from"]
        self._table = pl.concat(self._records).unique(by_time, keep="last", maintain_order=True).sort(by_time)
        self._records = [self._table]
        accounts, numbers = self._table["account"].to_numpy(), np.arange(len(self._accounts))
        self._firsts, self._ends = (np.searchsorted(accounts, numbers, side) for side in ("left", "right"))
        # The search looks at one more entry than there are.
        self._begins = np.append(self._table["effective_from"].to_numpy(), 0)

    def at(self, account_ids: pl.Series, occurred_at: Ints) -> RowRules:
        """What is in force for each of these accounts at each of these times."""
        rules = RowRules.of(self.default, len(account_ids))
        accounts = self._accounts.names.numbers_of(account_ids)
        rows = np.flatnonzero(accounts != NONE)
        if not len(rows):
            return rules
        accounts = accounts[rows]
        entries = last_at_or_before(self._begins, self._firsts[accounts], self._ends[accounts], occurred_at[rows])
        rows, entries = rows[entries != NONE], entries[entries != NONE]
        for name, column in rules._asdict().items():
            own = self._table[name].gather(pl.Series(entries))
            column[rows] = own.fill_null(getattr(self.default, name)).to_numpy()
        return RowRules(
            np.clip(rules.low_balance_nanos, -_FARTHEST_BALANCE, _FARTHEST_BALANCE),
            np.clip(rules.empty_soon_hours, 0, _MOST_HOURS),
            np.clip(rules.unusual_nanos, 0, MOST_SPENT),
        )


def _bounded(rules: Rules) -> Rules:
    low = max(-_FARTHEST_BALANCE, min(rules.low_balance_nanos, _FARTHEST_BALANCE))
    return Rules(low, min(rules.empty_soon_hours, _MOST_HOURS), min(rules.unusual_nanos, MOST_SPENT))
