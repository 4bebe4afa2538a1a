"""One line of a deck, parsed by itself: for the sentences that say what is wrong with it."""

from streams.pricing.deck.cells import check_characters, price_nanos, time_micros, whole_number
from streams.pricing.deck.fault import Fault
from streams.pricing.deck.sheet import PRICE_UNITS
from streams.pricing.rates import BadRateError, Rate

WHOLE_NUMBERS = ("unit_size", "initial_increment", "increment", PRICE_UNITS)
# Publishers must write these names exactly the same.
NAMES = frozenset({"rate_card_id", "usage_type", "destination_prefix"})


def parsed_line(line: int, cells: dict[str, str]) -> tuple[Rate | None, list[Fault]]:
    """The rate of a line, or what is wrong with it. `cells`: column → text."""
    faults: list[Fault] = []
    values: dict[str, str | int | None] = dict(cells)
    for column, text in cells.items():
        try:
            check_characters(text, column in NAMES)
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    if faults:
        return None, faults
    for column in WHOLE_NUMBERS:
        try:
            values[column] = whole_number(cells.get(column) or "1" if column == PRICE_UNITS else cells[column])
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    try:
        values["price_nanos"] = price_nanos(cells["price"])
    except ValueError as error:
        faults.append(Fault(line, "price", str(error)))
    for column in ("effective_from", "effective_to"):
        try:
            values[column] = None if (column, cells[column]) == ("effective_to", "") else time_micros(cells[column])
        except ValueError as error:
            faults.append(Fault(line, column, str(error)))
    if faults:
        return None, faults
    del values["price"]
    try:
        return Rate.checked(values), []
    except BadRateError as error:
        return None, [Fault(line, field, message) for field, message in error.faults]
