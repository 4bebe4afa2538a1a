"""Warnings of `rates lint`: a rate that can be published, but is probably not what its author meant."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.pricing.deck.fault import LINE, Fault
from streams.pricing.rates import MAX_AMOUNT_NANOS, NO_USAGE, TIME_UNITS

_AI_TYPES = ("ai-voice-agents", "stt")
# The contract's usage types, and the unit of their events' quantity.
_QUANTITY_UNITS = {
    "call": "seconds", "ai-voice-agents": "seconds", "stt": "seconds", "sms": "fragments", "whatsapp": "messages",
    "mms": "messages",
}  # fmt: skip
_SECONDS = 60
_DECIMAL_PLACES = 9
_TYPED_TO_THE_LIMIT = 8

_Ints = npt.NDArray[np.int64]


def warnings_of(rates: pl.DataFrame) -> list[Fault]:
    """What to look at in good rates (the columns of Rate, and `line`)."""
    return [*_types_and_units(rates), *_local_prefixes(rates), *_broken_minutes(rates), *_rounded_prices(rates)]


def _types_and_units(rates: pl.DataFrame) -> Iterator[Fault]:
    """Of each type and unit once, since there are few of them."""
    for usage_type, unit in rates.select("usage_type", "unit").unique().iter_rows():
        told = list(_type_or_unit(usage_type, unit))
        if told:
            for line in rates.filter(usage_type=usage_type, unit=unit)[LINE]:
                yield from (Fault(line, column, message) for column, message in told)


def _type_or_unit(usage_type: str, unit: str) -> Iterator[tuple[str, str]]:
    meant = usage_type.lower()
    if meant != usage_type and meant in {*_QUANTITY_UNITS, *NO_USAGE}:
        yield "usage_type", f"types are compared exactly, and '{usage_type}' is not '{meant}'"
    counted_in = _QUANTITY_UNITS.get(usage_type, unit)
    if (unit in TIME_UNITS) != (counted_in in TIME_UNITS) or (unit not in TIME_UNITS and unit != counted_in):
        yield "unit", f"the quantity of '{usage_type}' is in {counted_in}"


def _local_prefixes(rates: pl.DataFrame) -> Iterator[Fault]:
    for line in rates.filter(pl.col("destination_prefix").str.starts_with("0"))[LINE]:
        yield Fault(
            line, "destination_prefix", "no country's code begins with 0: write it with the code, as 4989 for 089"
        )


def _broken_minutes(rates: pl.DataFrame) -> Iterator[Fault]:
    by_seconds = rates.filter(pl.col("usage_type").is_in(_AI_TYPES), unit="seconds")
    for column in ("initial_increment", "increment"):
        broken = by_seconds.filter(pl.col(column) % _SECONDS != 0)
        for line, usage_type, seconds in broken.select(LINE, "usage_type", column).iter_rows():
            said = f"'{usage_type}' is charged by whole minutes as a rule, and {seconds} seconds are none"
            yield Fault(line, column, f"{said}: write {seconds + -seconds % _SECONDS}")


def _rounded_prices(rates: pl.DataFrame) -> Iterator[Fault]:
    """0.20 a minute, typed as 0.003333333 a second, comes to 0.19999998."""
    units = _SECONDS // pl.col("unit_size")
    timed = rates.filter(pl.col("unit").is_in(list(TIME_UNITS))).filter(units % pl.col("price_units") == 0)
    priced = timed.select(LINE, "price_nanos", units=units, times=units // pl.col("price_units"))
    # The price of a minute would be far beyond the limit, and the product might not fit 64 bits.
    priced = priced.filter(pl.col("price_nanos") <= 2 * MAX_AMOUNT_NANOS // pl.col("times"))
    minute = (pl.col("price_nanos") * pl.col("times")).alias("minute")
    meant = _meant(*(priced.select(minute, "price_nanos", "times").to_numpy().T))
    found = priced.with_columns(pl.Series("meant", meant), minute).filter(pl.col("meant") > 0)
    for line, at, minute_nanos, meant_nanos in found.select(LINE, "units", "minute", "meant").iter_rows():
        told = f"a minute costs {_plain(minute_nanos)}; where a price list says {_plain(meant_nanos)}"
        yield Fault(line, "price", f"{told}, write price {_plain(meant_nanos)}, price_units {at}")


def _meant(minute_nanos: _Ints, typed_nanos: _Ints, times: _Ints) -> _Ints:
    """The price of a minute from which each typed price was probably rounded, or 0.

    It is a price with far fewer decimals, so near that rounding the typed price in its last decimal explains the gap. "Far
    fewer" means that a price comes so near by chance only once in a hundred times.
    """
    zeros = np.zeros(len(typed_nanos), dtype=np.int64)
    for power in range(1, 2 * _DECIMAL_PLACES):
        zeros += typed_nanos % 10**power == 0
    zeros[typed_nanos == 0] = 0
    last_place, typed_places = 10**zeros, _DECIMAL_PLACES - zeros
    gap = np.where(times > 1, last_place * times, 0)
    # Or the author multiplied a second's price that was rounded in its ninth decimal.
    gap = np.where(typed_places >= _TYPED_TO_THE_LIMIT, np.maximum(gap, _SECONDS), gap)
    chances = 2 * gap // last_place
    fewer = 1 + (chances >= 10) + (chances >= 100) + (typed_places != _DECIMAL_PLACES)
    meant = np.zeros(len(typed_nanos), dtype=np.int64)
    is_open = np.ones(len(typed_nanos), dtype=bool)
    for decimals in range(_DECIMAL_PLACES):
        step = 10 ** (_DECIMAL_PLACES - decimals)
        nearest = (minute_nanos + step // 2) // step * step
        is_open &= (decimals <= typed_places - fewer) & (nearest != minute_nanos)
        is_near = (nearest > 0) & (nearest <= MAX_AMOUNT_NANOS) & (np.abs(nearest - minute_nanos) < gap)
        meant[is_open & is_near] = nearest[is_open & is_near]
        is_open &= ~is_near
    return meant


def _plain(nanos: int) -> str:
    whole, fraction = divmod(nanos, 10**_DECIMAL_PLACES)
    return f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
