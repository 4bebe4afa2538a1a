"""Which of the published rates and account plans stand. Pure: every reader decides the same, whenever it starts.

Each rate is decided on when it comes, in the order of its topic. The first record of a key stands, and a later one may change
only its end. The first currency of a card stands.

Plans depend on rates too, since a card has the currency of its rates. But two topics have no common order: a running reader may
meet a plan before the rates of its card, and a reader that starts later after them. So no plan is decided on when it comes.
Whenever a price list is made, all plans are decided on anew, in the order of their topic and by all known rates. So two readers
that have read the same records have the same list, however the records of the two topics were interleaved.

An account has one balance, so all its cards are in one currency. It is the currency of the account's first plan that stands, or
of the default card if that had a rate before that plan begins (the account may have been charged by it). A card without rates
has no currency yet, so a plan on it stands and fixes no currency. This has a price: a later rate can put a plan out that stood,
namely the first rate of such a card, or a rate of the default card that begins earlier than all others. `rates publish`
refuses such a rate.
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
    """`standing`: the plan that stands for each account and instant. `refused`: the number of a plan (in the order of
    `put_plan`, from 0) → why it changes nothing."""

    standing: list[AccountPlan]
    refused: dict[int, BadRateError]


class PriceHistory:
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
    """The fault of a rate that differs from the published one of its key, in the first field that differs."""
    name = next(
        each.name
        for each in fields(Rate)
        if each.name != "effective_to" and getattr(before, each.name) != getattr(rate, each.name)
    )
    was, now = (_text(name, getattr(each, name)) for each in (before, rate))
    # A deck calls its columns without the unit.
    column = name.removesuffix("_nanos")
    return [
        (column, f"{now}, but {rate.key!r} is published with {was}; a new price needs a new effective_from"),
    ]


def _text(name: str, value: str | int) -> str:
    if not name.endswith("_nanos"):
        return repr(value) if isinstance(value, str) else str(value)
    return f"{Decimal(value).scaleb(-_NANO_PLACES).normalize():f}"
