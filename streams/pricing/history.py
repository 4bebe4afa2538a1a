"""Which of the published rates and account plans stand. Pure: every reader decides the same, whenever it starts.

Each rate is decided on when it comes, in the order of its topic. The first record of a key stands, and a later one may change
only its end. The first currency of a card stands.

Plans depend on rates too, since a card has the currency of its rates. But two topics have no common order: a running reader may
meet a plan before the rates of its card, and a reader that starts later after them. So no plan is decided on when it comes.
Whenever a price list is made, all plans are decided on by all known rates, in the order of their topic. So two readers that
have read the same records have the same list, however the records of the two topics were interleaved.

An account has one balance, so all its cards are in one currency. It is the currency of the account's first plan that stands, or
of the default card if that had a rate before that plan begins (the account may have been charged by it). A card without rates
has no currency yet, so a plan on it stands and fixes no currency. This has a price: a later rate can put a plan out that stood,
namely the first rate of such a card, or a rate of the default card that begins earlier than all others. `rates publish`
refuses such a rate.

So a later plan changes no answer of an earlier one, and few rates change any: only after one of those is all decided on anew.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from streams.events.sorted_keys import Ints
from streams.pricing.plan_table import PlanTable, TakenPlans
from streams.pricing.plans import PlanBooks
from streams.pricing.rate_book import RateBooks
from streams.pricing.rate_table import RateTable, TakenRates
from streams.pricing.rates import BadRateError, rfc3339
from streams.pricing.rating import PriceList

_LEAST_RECENT = 4_096


class PriceHistory:
    """The published rates and plans. `default_card`: the card of accounts without a plan; None: they have none.

    `least_recent`: the small part of a price list (see `rate_book`) takes at least so many changes.
    """

    def __init__(self, default_card: str | None, least_recent: int = _LEAST_RECENT) -> None:
        self._default_card = default_card
        self._rates = RateTable()
        self._plans = PlanTable(default_card)
        self._rate_books = RateBooks(self._rates, least_recent)
        self._plan_books = PlanBooks(self._plans, default_card, least_recent)
        # By these cards the plans were decided on: the currency of each, and when the default card begins.
        self._decided_by = self._what_decides()

    @property
    def currencies(self) -> Mapping[str, str]:
        """Card → currency, of each card that has rates."""
        names = zip(self._rates.cards, self._rates.currency_names_of_cards(), strict=True)
        return {card: currency for card, currency in names if currency is not None}

    @property
    def rate_count(self) -> int:
        return len(self._rates)

    @property
    def rates(self) -> pl.DataFrame:
        """The rates that stand (RATE_COLUMNS), in the order in which their first records came."""
        return self._rates.table(np.arange(len(self._rates)))

    @property
    def plan_count(self) -> int:
        return int(self._plans.stands.sum())

    def put_rates(self, rates: pl.DataFrame) -> TakenRates:
        """Take the next rates of the topic, a table with RATE_COLUMNS, in its order."""
        return self._rates.put(rates)

    def put_plans(self, plans: pl.DataFrame) -> TakenPlans:
        """Take the next plans of the topic, a table with PLAN_COLUMNS, in its order."""
        return self._plans.put(plans, self._rates)

    def decide_plans(self) -> Ints:
        """Decide on all plans by all known rates. Returns the numbers of those that are refused and were not before."""
        before, self._decided_by = self._decided_by, self._what_decides()
        count = len(before[0])
        # A card that has come since has no plans that were decided on, or had no rates.
        anew = before[1] != self._decided_by[1] or not np.array_equal(before[0], self._decided_by[0][:count])
        changed = self._plans.decide(self._rates, anew=anew)
        self._plan_books.note_changed(changed)
        return changed[~self._plans.stands[changed]]

    def refused_plans(self) -> Ints:
        """The numbers of all plans that `decide_plans` has refused."""
        return np.flatnonzero(~self._plans.stands)

    def why_refused(self, number: int) -> BadRateError:
        """Why a plan that `decide_plans` has refused changes nothing."""
        ((account, card, _),) = self._plans.table(np.array([number]), self._rates).iter_rows()
        currencies = self.currencies
        said = f"card {card!r} is in {currencies[card]}, but account {account!r} is"
        first = self._plans.first_of(number)
        if first is not None:
            before = currencies[list(self._rates.cards)[self._plans.cards[first]]]
            return BadRateError([("rate_card_id", f"{said} on cards in {before}: an account has one balance")])
        assert self._default_card is not None
        begin = rfc3339(int(self._rates.begin_of_cards[self._rates.cards[self._default_card]]))
        return BadRateError(
            [
                (
                    "rate_card_id",
                    f"{said} on card {self._default_card!r}, in {currencies[self._default_card]}, before its first plan:"
                    f" an account has one balance (if it never was, let its plan begin at {begin}, when that card begins)",
                )
            ]
        )

    def cards_that_decide(self, number: int) -> list[str]:
        """The cards whose rates decide whether a plan stands, its own first."""
        plans = np.append(number, self._plans.of_account_of(number))
        cards = self._plans.table(plans, self._rates)["rate_card_id"].to_list()
        return list(dict.fromkeys([*cards, *([self._default_card] if self._default_card else [])]))

    def standing_plans(self) -> pl.DataFrame:
        """The plan that stands for each account and instant (PLAN_COLUMNS), as `decide_plans` has found."""
        return self._plans.table(self._plans.latest(np.flatnonzero(self._plans.stands)), self._rates)

    def price_list(self) -> PriceList:
        """By the rates that are known, and the plans that `decide_plans` has found to stand."""
        return PriceList(self._rates, self._rate_books.book(), self._plan_books.book(self._rates))

    def _what_decides(self) -> tuple[Ints, int]:
        default = None if self._default_card is None else self._rates.cards.get(self._default_card)
        return self._rates.currency_of_cards, -1 if default is None else int(self._rates.begin_of_cards[default])
