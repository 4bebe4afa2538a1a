"""Which rate card each row's account is on at the event's time."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from streams.events.names import indexed
from streams.events.sorted_keys import NONE, Ints, SortedKeys
from streams.pricing.rates import AccountPlan


class PlanBook:
    """All plans of all accounts. Cards are named by the index that `card_index` gives them."""

    def __init__(self, plans: Iterable[AccountPlan], card_index: dict[str, int], default_card: str | None) -> None:
        self._accounts: dict[str, int] = {}
        entries = []
        for plan in plans:
            account = self._accounts.setdefault(plan.account_id, len(self._accounts))
            entries.append((account, plan.effective_from, card_index.get(plan.rate_card_id, NONE)))
        self._plans = SortedKeys.of(entries)
        self._default_card = NONE if default_card is None else card_index.get(default_card, NONE)

    def cards(self, account_ids: pl.Series, occurred_at: Ints) -> Ints:
        """The card of each row: the account's latest plan at or before `occurred_at`, the default card where it has none,
        NONE where the card has no rates."""
        accounts = indexed(account_ids, self._accounts)
        plans = self._plans.positions(accounts, occurred_at)
        cards = self._plans.values_at(plans)
        return np.where(plans == NONE, self._default_card, cards)
