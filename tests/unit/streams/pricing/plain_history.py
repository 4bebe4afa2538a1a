"""The rules of `streams.pricing.history` once more, with one object after the other: the tables are held against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.pricing.rates import AccountPlan, BadRateError, Rate, changes_of, rfc3339


@dataclass(frozen=True)
class DecidedPlans:
    """`standing`: the plan that stands for each account and instant. `refused`: the number of a plan (in the order of
    `put_plan`, from 0) → why it changes nothing."""

    standing: list[AccountPlan]
    refused: dict[int, BadRateError]


class PlainHistory:
    """The published rates and plans. `default_card`: the card of accounts without a plan; None: they have none."""

    def __init__(self, default_card: str | None) -> None:
        self._default_card = default_card
        self._rates: dict[str, Rate] = {}
        self._plans: list[AccountPlan] = []
        self._currencies: dict[str, str] = {}
        self._begins: dict[str, int] = {}

    @property
    def currencies(self) -> Mapping[str, str]:
        """Card → currency, of each card that has rates."""
        return self._currencies

    @property
    def rates(self) -> Mapping[str, Rate]:
        """Key → the rate that stands."""
        return self._rates

    def cards_that_decide(self, number: int) -> list[str]:
        """The cards whose rates decide whether a plan stands, its own first."""
        plan = self._plans[number]
        others = [each.rate_card_id for each in self._plans if each.account_id == plan.account_id]
        return list(dict.fromkeys([plan.rate_card_id, *others, *([self._default_card] if self._default_card else [])]))

    def put_rate(self, record: Mapping[str, Any]) -> bool:
        """Take the next rate of the topic. Returns whether it says anything new. Raises BadRateError if it is refused."""
        rate = Rate.checked(record)
        before = self._rates.get(rate.key)
        if before is not None and before.changes(rate):
            raise BadRateError(changes_of(before, rate))
        currency = self._currencies.setdefault(rate.rate_card_id, rate.currency)
        if rate.currency != currency:
            raise BadRateError([("currency", f"{rate.currency}, but card {rate.rate_card_id!r} is in {currency}")])
        self._rates[rate.key] = rate
        self._begins[rate.rate_card_id] = min(
            rate.effective_from, self._begins.get(rate.rate_card_id, rate.effective_from)
        )
        return before != rate

    def put_plan(self, record: Mapping[str, Any]) -> int:
        """Take the next plan of the topic. Returns its number. Raises BadRateError for one that is wrong by itself."""
        self._plans.append(AccountPlan.checked(record))
        return len(self._plans) - 1

    def decided_plans(self) -> DecidedPlans:
        standing: dict[tuple[str, int], AccountPlan] = {}
        currencies: dict[str, str] = {}
        refused: dict[int, BadRateError] = {}
        for number, plan in enumerate(self._plans):
            currency = self._currencies.get(plan.rate_card_id)
            if currency is not None:
                before = currencies.get(plan.account_id)
                if currency != (before or self._default_currency_before(plan.effective_from) or currency):
                    refused[number] = self._other_currency(plan, currency, before)
                    continue
                currencies[plan.account_id] = currency
            standing[plan.account_id, plan.effective_from] = plan
        return DecidedPlans(list(standing.values()), refused)

    def _default_currency_before(self, at: int) -> str | None:
        """The currency in which an account without a plan may have been charged before `at`."""
        if self._default_card is None or self._begins.get(self._default_card, at) >= at:
            return None
        return self._currencies[self._default_card]

    def _other_currency(self, plan: AccountPlan, currency: str, before: str | None) -> BadRateError:
        said = f"card {plan.rate_card_id!r} is in {currency}, but account {plan.account_id!r} is"
        if before is not None:
            return BadRateError([("rate_card_id", f"{said} on cards in {before}: an account has one balance")])
        assert self._default_card is not None
        begin = rfc3339(self._begins[self._default_card])
        return BadRateError(
            [
                (
                    "rate_card_id",
                    f"{said} on card {self._default_card!r}, in {self._currencies[self._default_card]}, before its first plan:"
                    f" an account has one balance (if it never was, let its plan begin at {begin}, when that card begins)",
                )
            ]
        )


def rate_at(rates: list[Rate], card: str, usage_type: str, digits: str, at: int) -> Rate | None:
    """Rule 3.1, word by word."""
    in_force = [
        rate
        for rate in rates
        if (rate.rate_card_id, rate.usage_type) == (card, usage_type)
        and digits.startswith(rate.destination_prefix)
        and rate.effective_from <= at
        and (rate.effective_to is None or at < rate.effective_to)
    ]
    return max(in_force, key=lambda rate: (len(rate.destination_prefix), rate.effective_from), default=None)


def card_at(plans: list[AccountPlan], account: str, at: int, default_card: str | None) -> str | None:
    """The card of the account's latest plan at or before a time."""
    before = [plan for plan in plans if plan.account_id == account and plan.effective_from <= at]
    return max(before, key=lambda plan: plan.effective_from).rate_card_id if before else default_card
