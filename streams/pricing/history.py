"""Which of the published rates and account plans stand: pure, the same for every reader, whenever it starts.

Rates are judged one by one, as they lie in their topic: of a key the first record stands, and a later one may change its end
alone; of a card the first currency stands. Nothing but that order decides.

Plans depend on rates too, since a card's currency is that of its rates, and two topics have no common order: a running reader
may meet a plan before the rates of its card, and one that starts later after them. So no plan is judged when it comes. All
plans are judged anew, in the order of their topic and by all rates that are known, whenever a price list is made: readers
that have read the same have the same list, in whatever order the two topics came to them.

An account has one balance, so all its cards are in one currency: that of its first plan that stands, or of the default card if
the account may have been on it before that plan began, that is if the default card had a rate by then. A card without rates
has no currency yet, so a plan on it stands and decides nothing. That is the price of it: a rate that comes later, the first
of such a card or one of the default card older than all before, can put a plan out that stood. `rates publish` refuses
such a rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from streams.pricing.rates import AccountPlan, BadRateError, Rate, rfc3339
from streams.pricing.rating import PriceList

_NANO_PLACES = 9


@dataclass(frozen=True)
class DecidedPlans:
    """`standing`: of each account and instant the plan that stands. `refused`: number of a plan, counted as they were put from
    0 on, → why it changes nothing."""

    standing: list[AccountPlan]
    refused: dict[int, BadRateError]


class PriceHistory:
    """The published rates and plans. `default_card`: of accounts without a plan, None: they are on none."""

    def __init__(self, default_card: str | None) -> None:
        self._default_card = default_card
        self._rates: dict[str, Rate] = {}
        self._plans: list[AccountPlan] = []
        self._currencies: dict[str, str] = {}
        self._begins: dict[str, int] = {}

    @property
    def currencies(self) -> Mapping[str, str]:
        """Of each card that has rates."""
        return self._currencies

    @property
    def rates(self) -> Mapping[str, Rate]:
        """Those that stand, by their keys."""
        return self._rates

    def cards_that_decide(self, number: int) -> list[str]:
        """The cards whose rates decide whether a plan stands, its own first."""
        plan = self._plans[number]
        others = [each.rate_card_id for each in self._plans if each.account_id == plan.account_id]
        return list(dict.fromkeys([plan.rate_card_id, *others, *([self._default_card] if self._default_card else [])]))

    def put_rate(self, record: Mapping[str, Any]) -> bool:
        """The next rate of the topic. Whether it says anything new. Raises BadRateError for one that changes nothing."""
        rate = Rate.checked(record)
        before = self._rates.get(rate.key)
        if before is not None and before.changes(rate):
            raise BadRateError(_changes(before, rate))
        currency = self._currencies.setdefault(rate.rate_card_id, rate.currency)
        if rate.currency != currency:
            raise BadRateError([("currency", f"{rate.currency}, but card {rate.rate_card_id!r} is in {currency}")])
        self._rates[rate.key] = rate
        self._begins[rate.rate_card_id] = min(
            rate.effective_from, self._begins.get(rate.rate_card_id, rate.effective_from)
        )
        return before != rate

    def put_plan(self, record: Mapping[str, Any]) -> int:
        """The next plan of the topic. Returns its number. Raises BadRateError for one that is wrong by itself."""
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

    def price_list(self, plans: DecidedPlans) -> PriceList:
        return PriceList(self._rates.values(), plans.standing, self._default_card)

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


def _changes(before: Rate, rate: Rate) -> list[tuple[str, str]]:
    """What a rate says otherwise than the one that is published under its key: one fault, of the first such field."""
    name = next(
        each.name
        for each in fields(Rate)
        if each.name != "effective_to" and getattr(before, each.name) != getattr(rate, each.name)
    )
    was, now = (_text(name, getattr(each, name)) for each in (before, rate))
    # As the columns of a deck are called.
    column = name.removesuffix("_nanos")
    return [
        (column, f"{now}, but {rate.key!r} is published with {was}; a new price needs a new effective_from"),
    ]


def _text(name: str, value: str | int) -> str:
    if not name.endswith("_nanos"):
        return repr(value) if isinstance(value, str) else str(value)
    return f"{Decimal(value).scaleb(-_NANO_PLACES).normalize():f}"
