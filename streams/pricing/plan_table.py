"""The published account plans, as columns, and which of them stand. `history` says why they are decided on as they are."""

from typing import NamedTuple

import numpy as np
import polars as pl

from streams.events.sorted_keys import NONE, Ints
from streams.pricing.rate_checks import PLAN_COLUMNS, are_good_plans, faults_of
from streams.pricing.rate_columns import OPEN_END
from streams.pricing.rate_table import RateTable
from streams.pricing.rates import AccountPlan, BadRateError
from streams.pricing.tables.growing import GrowingColumn
from streams.pricing.tables.hash_index import Mask
from streams.pricing.tables.name_table import Names, NameTable


class TakenPlans(NamedTuple):
    """`numbers`: the number of each row's plan, from 0 in the order of the topic; NONE where it is wrong by itself. `refused`:
    row → why it is."""

    numbers: Ints
    refused: dict[int, BadRateError]


class PlanTable:
    """A plan's number is its row. `stands`: whether each plan stands, as far as they are decided on."""

    def __init__(self, default_card: str | None) -> None:
        self._default_card = default_card
        self._names = NameTable()
        self._accounts = GrowingColumn(np.int64)
        self._cards = GrowingColumn(np.int64)
        self._begins = GrowingColumn(np.int64)
        self._stands = GrowingColumn(np.bool_)
        # Of each account the first plan that stands on a card with rates, or NONE: its currency is the account's.
        self._firsts = GrowingColumn(np.int64)

    def __len__(self) -> int:
        return len(self._begins)

    @property
    def accounts(self) -> Names:
        return self._names.names

    @property
    def account_numbers(self) -> Ints:
        return self._accounts.values

    @property
    def cards(self) -> Ints:
        return self._cards.values

    @property
    def begins(self) -> Ints:
        return self._begins.values

    @property
    def stands(self) -> Mask:
        return self._stands.values

    def put(self, plans: pl.DataFrame, rates: RateTable) -> TakenPlans:
        """Take the next plans of the topic, a table with PLAN_COLUMNS. `rates` gives cards their numbers."""
        plans = plans.select(*PLAN_COLUMNS)
        good = are_good_plans(plans)
        rows = np.flatnonzero(good)
        numbers = np.full(len(plans), NONE, dtype=np.int64)
        numbers[rows] = np.arange(len(self), len(self) + len(rows))
        if len(rows):
            of_good = plans if len(rows) == len(plans) else plans[rows]
            self._accounts.append(self._names.numbered(of_good["account_id"]))
            self._cards.append(rates.numbered_cards(of_good["rate_card_id"]))
            self._begins.append(of_good["effective_from"].to_numpy())
        return TakenPlans(numbers, faults_of(AccountPlan.checked, plans, ~good))

    def decide(self, rates: RateTable, *, anew: bool) -> Ints:
        """Decide on the plans that have come since, or on all of them. Returns those whose answer is new or another one."""
        begin = 0 if anew else len(self._stands)
        before = self.stands[begin:].copy()
        if anew:
            self._stands, self._firsts = GrowingColumn(np.bool_), GrowingColumn(np.int64)
        self._firsts.append(np.full(len(self._names) - len(self._firsts), NONE))
        numbers = np.arange(begin, len(self))
        accounts, currencies = self.account_numbers[begin:], rates.currency_of_cards[self.cards[begin:]]
        default_currency, default_begin = self._default(rates)
        is_priced = currencies != NONE
        # Before a plan begins, an account without another one may have been charged by the default card.
        may_be_first = is_priced & ((self.begins[begin:] <= default_begin) | (currencies == default_currency))
        may_be_first &= self._firsts.values[accounts] == NONE
        # From the last to the first: of an account the first one is set last, and stands.
        rows = np.flatnonzero(may_be_first)[::-1]
        self._firsts.values[accounts[rows]] = numbers[rows]
        firsts = self._firsts.values[accounts]
        has_currency = (firsts != NONE) & (firsts <= numbers)
        has_currency &= currencies == rates.currency_of_cards[self.cards[firsts]]
        self._stands.append(~is_priced | has_currency)
        decided_before = np.arange(len(numbers)) < len(before)
        before = np.append(before, np.zeros(len(numbers) - len(before), dtype=bool))
        changed: Ints = numbers[~decided_before | (before != self.stands[begin:])]
        return changed

    def first_of(self, number: int) -> int | None:
        """The plan that fixed the currency of a plan's account before it came."""
        first = int(self._firsts.values[self.account_numbers[number]])
        return first if NONE < first < number else None

    def of_account_of(self, number: int) -> Ints:
        """The numbers of all plans of a plan's account."""
        return np.flatnonzero(self.account_numbers == self.account_numbers[number])

    def latest(self, numbers: Ints) -> Ints:
        """Of each account and instant the last one of these plans, by account and time. `numbers` rise."""
        accounts, begins = self.account_numbers[numbers], self.begins[numbers]
        order = np.lexsort((begins, accounts))
        accounts, begins = accounts[order], begins[order]
        is_last = np.ones(len(numbers), dtype=bool)
        is_last[:-1] = (accounts[1:] != accounts[:-1]) | (begins[1:] != begins[:-1])
        latest: Ints = numbers[order[is_last]]
        return latest

    def table(self, numbers: Ints, rates: RateTable) -> pl.DataFrame:
        """These plans with PLAN_COLUMNS."""
        cards = pl.Series(list(rates.cards), dtype=pl.String)
        columns = {
            "account_id": self.accounts.values.gather(pl.Series(self.account_numbers[numbers])),
            "rate_card_id": cards.gather(pl.Series(self.cards[numbers])),
            "effective_from": pl.Series(self.begins[numbers]),
        }
        return pl.DataFrame(columns, schema_overrides=PLAN_COLUMNS)

    def _default(self, rates: RateTable) -> tuple[int, int]:
        """The currency of the default card, and when its first rate begins: OPEN_END where it has none."""
        card = None if self._default_card is None else rates.cards.get(self._default_card)
        return (
            (NONE, OPEN_END) if card is None else (int(rates.currency_of_cards[card]), int(rates.begin_of_cards[card]))
        )
