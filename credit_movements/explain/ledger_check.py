"""The price that the rater's functions give again, held against the ledger. Pure."""

from credit_movements.explain.explanation import Fields, Step
from credit_movements.explain.steps import Rated, steps_of
from credit_movements.explain.texts import money, readable

COMPARED = (
    "rate_card_id",
    "destination_prefix",
    "rate_effective_from",
    "unit",
    "units_charged",
    "price_nanos",
    "price_units",
    "credit_movement_nanos",
    "currency",
)


def against_ledger(
    movement: Fields, rated: list[Rated], hides_number: str | None, *, is_of_earlier_log: bool = False
) -> tuple[list[Step], list[str] | None]:
    """The steps to the movement, and what is otherwise in the ledger: nothing, unless something is wrong. None where it cannot
    be known: a movement of an earlier log was rated by prices that need not be published in this one.

    `rated`: the event by the prices as the rater may have known them, the likeliest first, and last by today's. `hides_number`:
    see `steps_of`.
    """
    today = rated[-1]
    agreeing = next((each for each in rated if not differences(each, movement)), None)
    said = f"{money(movement['credit_movement_nanos'])} {movement['currency']}"
    if agreeing is None and is_of_earlier_log:
        why = "rated in an earlier log, whose prices are not there any more: it cannot be held against them"
        now = Step("today", _today(today), "by what is published now; what was rated stands")
        return [Step("ledger", said, why), now], None
    if agreeing is None:
        found = differences(rated[0], movement)
        wrong = Step(
            "ledger", said, f"DISAGREES with the published prices: {'; '.join(found)}. Run `credit-movements audit`"
        )
        return [*steps_of(rated[0], hides_number), wrong], found
    steps = [*steps_of(agreeing, hides_number), Step("ledger", said, "the ledger has the same")]
    if differences(today, movement):
        steps.append(Step("today", _today(today), "by what was published since; what was rated stands"))
    return steps, []


def differences(rated: Rated, movement: Fields) -> list[str]:
    """What the ledger has otherwise, a text for each field."""
    if rated.check is not None:
        return [f"it would be refused: {rated.check.reason}, {rated.check.detail(rated.event)}"]
    names = [name for name in COMPARED if rated.priced[name] != movement[name]]
    ours, theirs = (readable({name: fields[name] for name in names}) for fields in (rated.priced, movement))
    return [f"{name} is {theirs[name]!r}, they give {ours[name]!r}" for name in ours]


def _today(today: Rated) -> str:
    if today.check is not None:
        return f"refused: {today.check.reason}"
    return f"{money(today.priced['credit_movement_nanos'])} {today.priced['currency']}"
