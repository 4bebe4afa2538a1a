"""The price of one event, step by step. Pure: the rater's own functions find every number, and what is said here follows."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from credit_movements.explain.explanation import Step
from credit_movements.explain.texts import money, time_of
from schemas.topics import USAGE_EVENTS
from streams.pricing.checks import CHECKS, Check
from streams.pricing.history import PriceHistory
from streams.pricing.rates import TIME_UNITS
from streams.pricing.rating import PASSED, Limits, rate_batch
from streams.pricing.written_numbers import digits_of

CORRECTS = "corrects"


@dataclass(frozen=True)
class Rated:
    """What the rater's functions make of an event by one price list. `priced`: the priced fields of CreditMovement. `check`:
    the first check of the price that it fails, None where it fails none."""

    history: PriceHistory
    event: dict[str, Any]
    priced: dict[str, Any]
    check: Check | None

    @classmethod
    def by(cls, history: PriceHistory, events: pl.DataFrame, limits: Limits) -> "Rated":
        """`events`: one row of EVENT_COLUMNS."""
        priced, failed = rate_batch(events, history.price_list(), limits)
        check = None if failed[0] == PASSED else CHECKS[failed[0]]
        return cls(history, events.row(0, named=True), priced.row(0, named=True), check)


def steps_of(rated: Rated, hides_number: str | None = None) -> list[Step]:
    """From the account's card to the amount, as far as the event can be rated. `hides_number`: why the number called is not
    shown, None where it is."""
    steps = [_card(rated)]
    if rated.priced["rate_card_id"] is None:
        return [*steps, _refused(rated)]
    if rated.event["source_topic"] != USAGE_EVENTS.name:
        return [*steps, *_of_amount(rated)]
    steps += _number(rated, hides_number)
    if rated.priced["destination_prefix"] is None:
        return [*steps, _refused(rated)]
    rate, found = _rates(rated)
    steps += [*found, *_quantity(rated, rate)]
    return [*steps, _refused(rated)] if rated.check is not None else [*steps, *_arithmetic(rated, rate)]


def _card(rated: Rated) -> Step:
    account, at = rated.event["account_id"], rated.event["occurred_at"]
    plans = rated.history.standing_plans().filter(pl.col("account_id") == account, pl.col("effective_from") <= at)
    card = rated.priced["rate_card_id"]
    if len(plans):
        named, begins = plans.sort("effective_from").row(-1)[1:]
        return Step("card", str(named), f"the account's plan since {time_of(begins)}")
    if card is None:
        return Step("card", "none", "the account has no plan at that time, and there is no default card that has rates")
    return Step("card", str(card), "the account has no plan at that time: the default card (CREDIT_DEFAULT_RATE_CARD)")


def _number(rated: Rated, hides_number: str | None) -> list[Step]:
    destination = rated.event["destination"]
    digits = "" if destination is None else digits_of(pl.Series([destination]))[0][0]
    why = (
        "there is no destination: only the prefix '' can match"
        if destination is None
        else f"{destination!r} as digits"
        if digits
        else f"{destination!r} is no number: only the prefix '' can match"
    )
    rates = _of_card_and_type(rated).filter(pl.lit(digits).str.starts_with(pl.col("destination_prefix")))
    at = rated.event["occurred_at"]
    prefixes = {
        prefix: _are_in_force(rates.filter(pl.col("destination_prefix") == prefix), at).any()
        for prefix in sorted(set(rates["destination_prefix"]), key=len)
    }
    said = [f"'{each}'" if in_force else f"'{each}' (no rate in force)" for each, in_force in prefixes.items()]
    longest = rated.priced["destination_prefix"]
    number = Step("number", hides_number or digits or "none", "" if hides_number else why)
    matched = Step("prefixes", ", ".join(said) or "none", f"of {rated.priced['rate_card_id']}, usage type"
                   f" {rated.event['usage_type']}: those that begin the number")  # fmt: skip
    if longest is None:
        return [number, matched]
    name = _rate_of(rated)["destination_name"]
    return [
        number,
        matched,
        Step("prefix", f"'{longest}'" + (f" {name}" if name else ""), "the longest with a rate in force"),
    ]


def _rates(rated: Rated) -> tuple[dict[str, Any], list[Step]]:
    """The rate, and a step for each rate of its prefix, the earliest first."""
    rate, at = _rate_of(rated), rated.event["occurred_at"]
    same = _of_card_and_type(rated).filter(pl.col("destination_prefix") == rate["destination_prefix"])
    steps = []
    for each in same.sort("effective_from").iter_rows(named=True):
        end = "open" if each["effective_to"] is None else time_of(each["effective_to"])
        steps.append(
            Step(
                "rate",
                f"{_price(each)}, {each['initial_increment']}/{each['increment']}, {time_of(each['effective_from'])} to {end}",
                "in force: this one" if each["effective_from"] == rate["effective_from"] else _why_not(each, at),
            )
        )
    return rate, steps


def _why_not(rate: dict[str, Any], at: int) -> str:
    if rate["effective_from"] > at:
        return "began later"
    if rate["effective_to"] is not None and rate["effective_to"] <= at:
        return "had ended"
    return "in force, but another began later"


def _quantity(rated: Rated, rate: dict[str, Any]) -> list[Step]:
    quantity, units = rated.event["quantity"], rated.priced["units_charged"]
    counted = "seconds" if rate["unit"] in TIME_UNITS else rate["unit"]
    billed, initial, increment = units * rate["unit_size"], rate["initial_increment"], rate["increment"]
    increments = (billed - initial) // increment if billed else 0
    why = "nothing was used" if not billed else f"the first {initial}" + (
        f" and {increments} x {increment}" if increments else f", which {quantity} do not exceed"
    )  # fmt: skip
    each = f", {rate['unit_size']} {counted} each" if rate["unit_size"] > 1 else ""
    return [
        Step("quantity", f"{quantity} {counted}", "what the event says was used"),
        Step("billed", f"{billed} {counted}", why),
        Step("units", f"{units} {rate['unit']}", f"{billed} / {rate['unit_size']}{each}"),
    ]


def _arithmetic(rated: Rated, rate: dict[str, Any]) -> list[Step]:
    units, nanos = rated.priced["units_charged"], rated.priced["credit_movement_nanos"]
    left = units * rate["price_nanos"] % rate["price_units"]
    product = f"-({units} x {money(rate['price_nanos'])} / {rate['price_units']})"
    rounding = "exact" if not left else "rounded once to 9 decimals, half away from zero"
    return [
        Step("price", _price(rate), f"of the rate since {time_of(rate['effective_from'])}"),
        Step("amount", f"{money(nanos)} {rate['currency']}", f"{product}: {rounding}"),
    ]


def _of_amount(rated: Rated) -> list[Step]:
    """Of a top-up or an adjustment: it says its amount."""
    if rated.check is not None:
        return [_refused(rated)]
    said = f"the event's own amount, in the currency of card {rated.priced['rate_card_id']}"
    corrected = rated.event["corrected_movement_id"]
    named = [] if corrected is None else [Step(CORRECTS, corrected, "the movement that the adjustment names")]
    return [*named, Step("amount", f"{money(rated.priced['credit_movement_nanos'])} {rated.priced['currency']}", said)]


def naming_nothing(steps: list[Step]) -> list[Step]:
    """Steps of an adjustment, where the account does not have the movement that it names."""
    why = "the movement that the adjustment names: ClickHouse has no such movement of this account"
    return [step._replace(why=why) if step.name == CORRECTS else step for step in steps]


def _refused(rated: Rated) -> Step:
    assert rated.check is not None
    return Step("refused", rated.check.reason.value, rated.check.detail(rated.event))


def _of_card_and_type(rated: Rated) -> pl.DataFrame:
    return rated.history.rates.filter(
        pl.col("rate_card_id") == rated.priced["rate_card_id"], pl.col("usage_type") == rated.event["usage_type"]
    )


def _rate_of(rated: Rated) -> dict[str, Any]:
    named = _of_card_and_type(rated).filter(
        pl.col("destination_prefix") == rated.priced["destination_prefix"],
        pl.col("effective_from") == rated.priced["rate_effective_from"],
    )
    return named.row(0, named=True)


def _are_in_force(rates: pl.DataFrame, at: int) -> pl.Series:
    return rates.select(
        (pl.col("effective_from") <= at) & (pl.col("effective_to").is_null() | (at < pl.col("effective_to")))
    ).to_series()


def _price(rate: dict[str, Any]) -> str:
    return f"{money(rate['price_nanos'])} {rate['currency']} for {rate['price_units']} {rate['unit']}"
