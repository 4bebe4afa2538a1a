"""The thresholds that accounts have of their own, with their history: what was in force when a movement occurred."""

from typing import Final

import numpy as np
import polars as pl

from schemas.ids import MOST_ID_CHARACTERS
from streams.alerts.judging.amounts import MOST_SPENT
from streams.alerts.judging.rules import RowRules, Rules
from streams.events.sorted_keys import NONE, Ints, last_at_or_before
from streams.pricing.rates import EARLIEST_MICROS, LATEST_MICROS
from streams.pricing.tables.name_table import NameTable

# A balance beyond it cannot be told either.
_FARTHEST_BALANCE: Final = 2**62
_MOST_HOURS: Final = 168
# The first that is wrong with a record, null where nothing is.
_FAULT: Final = (
    pl.when(~pl.col("account_id").str.len_chars().is_between(1, MOST_ID_CHARACTERS))
    .then(pl.lit(f"account_id must be 1 to {MOST_ID_CHARACTERS} characters"))
    .when(~pl.col("empty_soon_hours").is_between(0, _MOST_HOURS))
    .then(pl.format("empty_soon_hours {} does not lie in 0 to " + str(_MOST_HOURS), "empty_soon_hours"))
    .when(pl.col("unusual_nanos") < 0)
    .then(pl.format("unusual_nanos {} is negative", "unusual_nanos"))
    .when(~pl.col("effective_from").cast(pl.Int64).is_between(EARLIEST_MICROS, LATEST_MICROS))
    .then(pl.lit("effective_from lies beyond the times that can be stored"))
    .otherwise(None)
    .cast(pl.String)
    .alias("fault")
)


class AccountSettings:
    """All that was published. Of two records of one account and instant the later one stands."""

    def __init__(self, default: Rules) -> None:
        self.default = _bounded(default)
        self._accounts = NameTable()
        self._records: list[pl.DataFrame] = []
        self._table = pl.DataFrame()
        self._begins = self._firsts = self._ends = np.zeros(0, dtype=np.int64)

    def put(self, records: pl.DataFrame) -> dict[int, str]:
        """Take the next records of the topic, with the columns of AlertSettings. Returns row → what is wrong with it; such a
        record changes nothing."""
        faults = records.select(_FAULT)["fault"]
        good = records.filter(faults.is_null())
        if len(good):
            self._take(good)
        wrong = np.flatnonzero(faults.is_not_null().to_numpy()).tolist()
        return {row: str(faults[row]) for row in wrong}

    def _take(self, records: pl.DataFrame) -> None:
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
            rules.empty_soon_hours,
            np.minimum(rules.unusual_nanos, MOST_SPENT),
        )


def _bounded(rules: Rules) -> Rules:
    low = max(-_FARTHEST_BALANCE, min(rules.low_balance_nanos, _FARTHEST_BALANCE))
    return Rules(low, min(rules.empty_soon_hours, _MOST_HOURS), min(rules.unusual_nanos, MOST_SPENT))
