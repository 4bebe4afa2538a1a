"""Which rate card each row's account is on at the event's time.

Like a book of rates, a book of plans is one large part, and a small one with all plans of the accounts that have changed since.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.arrow import numpy_of
from streams.events.sorted_keys import NONE, Ints, distinct, last_at_or_before
from streams.pricing.plan_table import PlanTable
from streams.pricing.rate_columns import OPEN_END
from streams.pricing.rate_table import RateTable
from streams.pricing.tables.name_table import Names

_RECENT_PART = 16


@dataclass(frozen=True)
class AccountPlans:
    """The plans of some accounts (numbers, sorted), by time: those of each from `firsts` on, and of the last one to its end."""

    accounts: Ints
    firsts: Ints
    begins: Ints
    cards: Ints

    @classmethod
    def of(cls, table: PlanTable, accounts: Ints, numbers: Ints) -> "AccountPlans":
        """Of these accounts. `numbers`: all their plans, rising."""
        plans = table.latest(numbers[table.stands[numbers]])
        firsts = np.searchsorted(table.account_numbers[plans], np.append(accounts, OPEN_END))
        return cls(accounts, firsts, np.append(table.begins[plans], OPEN_END), np.append(table.cards[plans], NONE))

    def cards_at(self, accounts: Ints, occurred_at: Ints, cards: Ints, default_card: int) -> None:
        """Set the card of each row whose account is among these: that of its latest plan at or before `occurred_at`, or the
        default card."""
        if not len(self.accounts):
            return
        if self.accounts[-1] == len(self.accounts) - 1:
            # All of the first accounts are here, so each has its own number.
            entries = np.clip(accounts, 0, len(self.accounts) - 1)
        else:
            entries = np.minimum(np.searchsorted(self.accounts, accounts), len(self.accounts) - 1)
        rows = np.flatnonzero(self.accounts[entries] == accounts)
        at = entries[rows]
        plans = last_at_or_before(self.begins, self.firsts[at], self.firsts[at + 1], occurred_at[rows])
        cards[rows] = np.where(plans == NONE, default_card, self.cards[plans])


class PlanBook:
    """All plans of all accounts; it never changes. Cards are named by their numbers in the table of rates."""

    def __init__(
        self, rates: RateTable, accounts: Names, old: AccountPlans, recent: AccountPlans, default_card: str | None
    ) -> None:
        self._accounts = accounts
        self._old = old
        self._recent = recent
        self._default_card = NONE if default_card is None else rates.cards.get(default_card, NONE)
        # A card without rates is none. NONE is the index -1.
        cards = np.arange(len(rates.currency_of_cards))
        self._with_rates = np.append(np.where(rates.currency_of_cards == NONE, NONE, cards), NONE)

    def cards(self, account_ids: pl.Series, occurred_at: Ints) -> Ints:
        """The card of each row (no nulls): that of the account's latest plan at or before `occurred_at`, the default card where
        it has none, NONE where the card has no rates."""
        cards = np.full(len(account_ids), self._default_card, dtype=np.int64)
        if len(self._accounts.values):
            encoded: pa.DictionaryArray = account_ids.to_arrow().dictionary_encode()
            names = pl.Series(encoded.dictionary, dtype=pl.String)
            accounts = self._accounts.numbers_of(names)[numpy_of(encoded.indices)]
            for part in (self._old, self._recent):
                part.cards_at(accounts, occurred_at, cards, self._default_card)
        return self._with_rates[cards]


class PlanBooks:
    """Makes the books of a table that grows, one after the other. The small part takes at least `least_recent` accounts."""

    def __init__(self, table: PlanTable, default_card: str | None, least_recent: int) -> None:
        self._least_recent = least_recent
        self._table = table
        self._default_card = default_card
        nothing = np.arange(0)
        self._old = AccountPlans.of(table, nothing, nothing)
        # All plans that were there when the large part was made, by account, and where those of each account begin.
        self._plans, self._firsts = nothing, np.zeros(1, dtype=np.int64)
        self._changed = nothing
        self._newly_changed: list[Ints] = []

    def note_changed(self, plans: Ints) -> None:
        """These plans have come, or stand now and did not before, or the other way round."""
        self._newly_changed.append(self._table.account_numbers[plans])

    def book(self, rates: RateTable) -> PlanBook:
        """Of the plans that stand now. `rates`: which cards have rates."""
        table, accounts = self._table, self._table.accounts
        self._changed = distinct(self._changed, *self._newly_changed)
        self._newly_changed.clear()
        if len(self._changed) > max(self._least_recent, len(accounts.values) // _RECENT_PART):
            everyone, numbers = np.arange(len(accounts.values)), np.arange(len(table))
            self._old = AccountPlans.of(table, everyone, numbers)
            self._plans = np.argsort(table.account_numbers, kind="stable")
            self._firsts = np.searchsorted(table.account_numbers[self._plans], np.append(everyone, OPEN_END))
            self._changed = self._changed[:0]
        recent = AccountPlans.of(table, self._changed, self._plans_of(self._changed))
        return PlanBook(rates, accounts, self._old, recent, self._default_card)

    def _plans_of(self, accounts: Ints) -> Ints:
        """All plans of these accounts, rising."""
        known = accounts[accounts < len(self._firsts) - 1]
        counts = self._firsts[known + 1] - self._firsts[known]
        old = self._plans[np.repeat(self._firsts[known] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())]
        new = np.arange(len(self._plans), len(self._table))
        new = new[np.isin(self._table.account_numbers[new], accounts)]
        return np.sort(np.concatenate([old, new]))
