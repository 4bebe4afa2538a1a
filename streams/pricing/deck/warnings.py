"""Warnings of `rates lint`: a rate that can be published, but is probably not what its author meant."""

from collections.abc import Iterator

from streams.pricing.rates import MAX_AMOUNT_NANOS, TIME_UNITS, TOP_UP, Rate

_AI_TYPES = ("ai-voice-agents", "stt")
# The contract's usage types, and the unit of their events' quantity.
_QUANTITY_UNITS = {
    "call": "seconds", "ai-voice-agents": "seconds", "stt": "seconds", "sms": "fragments", "whatsapp": "messages",
    "mms": "messages",
}  # fmt: skip
_SECONDS = 60
_DECIMAL_PLACES = 9
_TYPED_TO_THE_LIMIT = 8


def warnings_of(rate: Rate) -> Iterator[tuple[str, str]]:
    """(column, sentence) for one good rate."""
    meant = rate.usage_type.lower()
    if meant != rate.usage_type and meant in {*_QUANTITY_UNITS, TOP_UP}:
        yield "usage_type", f"types are compared exactly, and '{rate.usage_type}' is not '{meant}'"
    counted_in = _QUANTITY_UNITS.get(rate.usage_type, rate.unit)
    if (rate.unit in TIME_UNITS) != (counted_in in TIME_UNITS) or (
        rate.unit not in TIME_UNITS and rate.unit != counted_in
    ):
        yield "unit", f"the quantity of '{rate.usage_type}' is in {counted_in}"
    if rate.destination_prefix.startswith("0"):
        yield "destination_prefix", "no country's code begins with 0: write it with the code, as 4989 for 089"
    if rate.usage_type in _AI_TYPES and rate.unit == "seconds":
        yield from _broken_minutes(rate)
    if rate.unit in TIME_UNITS:
        yield from _rounded_price(rate)


def _broken_minutes(rate: Rate) -> Iterator[tuple[str, str]]:
    for column, seconds in (("initial_increment", rate.initial_increment), ("increment", rate.increment)):
        if seconds % _SECONDS:
            whole = seconds + -seconds % _SECONDS
            yield (
                column,
                f"'{rate.usage_type}' is charged by whole minutes as a rule, and {seconds} seconds are none: write {whole}",
            )


def _rounded_price(rate: Rate) -> Iterator[tuple[str, str]]:
    """0.20 a minute, typed as 0.003333333 a second, comes to 0.19999998."""
    units = _SECONDS // rate.unit_size
    if units % rate.price_units:
        return
    minute = rate.price_nanos * units // rate.price_units
    meant = _meant(minute, rate.price_nanos, units // rate.price_units)
    if meant:
        found = f"a minute costs {_plain(minute)}; where a price list says {_plain(meant)}"
        yield "price", f"{found}, write price {_plain(meant)}, price_units {units}"


def _meant(minute_nanos: int, typed_nanos: int, times: int) -> int | None:
    """The price of a minute from which the typed price was probably rounded, or None.

    It is a price with far fewer decimals, so near that rounding the typed price in its last decimal explains the gap. "Far
    fewer" means that a price comes so near by chance only once in a hundred times.
    """
    last_place = 1
    while typed_nanos and typed_nanos % (last_place * 10) == 0:
        last_place *= 10
    typed_places = _DECIMAL_PLACES - len(str(last_place)) + 1
    gap = last_place * times if times > 1 else 0
    if typed_places >= _TYPED_TO_THE_LIMIT:
        # Or the author multiplied a second's price that was rounded in its ninth decimal.
        gap = max(gap, _SECONDS)
    fewer = len(str(2 * gap // last_place)) + (0 if typed_places == _DECIMAL_PLACES else 1)
    for decimals in range(typed_places - fewer + 1):
        step: int = 10 ** (_DECIMAL_PLACES - decimals)
        nearest = (minute_nanos + step // 2) // step * step
        if nearest == minute_nanos:
            return None
        if 0 < nearest <= MAX_AMOUNT_NANOS and abs(nearest - minute_nanos) < gap:
            return nearest
    return None


def _plain(nanos: int) -> str:
    whole, fraction = divmod(nanos, 10**_DECIMAL_PLACES)
    return f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
