"""Rates and account plans: their fields, and the rules that each must keep by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kafka_io.errors import UserError
from schemas.adjustments import KINDS
from schemas.ids import MOST_ID_CHARACTERS

TIME_UNITS = frozenset({"seconds", "minutes"})
UNIT_SIZES = {"seconds": 1, "minutes": 60, "fragments": 1, "messages": 1}
TOP_UP = "top-up"
# What movements that are no usage are called, so that no usage may be called so.
NO_USAGE = frozenset({TOP_UP, *KINDS})

MAX_PREFIX_DIGITS = 18
# Far above any real increment, and low enough that two of them never overflow 64 bits.
MAX_INCREMENT = 10**15
# A Rate with a longer name might not fit into the 64 KiB of a record.
MAX_DESTINATION_NAME_BYTES = 60_000
MAX_AMOUNT_NANOS = 10**18 - 1
MANY_PRICE_UNITS = frozenset({3600, *(10**power for power in range(4, 10))})
# The value per unit of a price for N units need not end within the 18 decimals that are printed. The printed value is then up
# to 8/9 of 1e-18 too high, and a product that is no whole nano lies at least 1/3600 of a nano from where rounding changes (both
# for 3,600, the worst N). So up to 312,500 units the printed value gives the same movement; this is that limit, rounded.
MAX_UNITS_OF_ENDLESS_PRICE = 300_000
_NO_ID = f"must be 1 to {MOST_ID_CHARACTERS} characters"
_NANO_PLACES = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros_of(at: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (at - _EPOCH) // timedelta(microseconds=1)


# ClickHouse's DateTime64 and Python's datetime both hold these.
EARLIEST_MICROS = micros_of(datetime(1900, 1, 1, tzinfo=UTC))
LATEST_MICROS = micros_of(datetime(2299, 1, 1, tzinfo=UTC))


class BadRateError(UserError, ValueError):
    """A rate or plan that breaks a rule of the contract. `faults`: (field, what is wrong with it), at least one."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in faults))
        self.faults = faults


@dataclass(frozen=True)
class Rate:
    """One price, as the record Rate of the contract has it: `price_nanos` for `price_units` units. Times are microseconds."""

    rate_card_id: str
    usage_type: str
    destination_prefix: str
    destination_name: str
    unit: str
    unit_size: int
    initial_increment: int
    increment: int
    price_nanos: int
    price_units: int
    currency: str
    effective_from: int
    effective_to: int | None

    @property
    def key(self) -> str:
        """The record's key: card|type|prefix|effective_from."""
        names = (self.rate_card_id, self.usage_type, self.destination_prefix)
        return "|".join([*names, rfc3339(self.effective_from)])

    @property
    def max_units(self) -> int:
        """The most units that one movement may charge: with more of them the printed value per unit might not give the
        amount."""
        ends = self.price_nanos * 10**9 % self.price_units == 0
        return MAX_INCREMENT if ends else MAX_UNITS_OF_ENDLESS_PRICE

    @classmethod
    def checked(cls, record: Mapping[str, Any]) -> "Rate":
        """A rate from a record's fields. Raises BadRateError."""
        rate = cls(**record)
        if faults := _faults(rate):
            raise BadRateError(faults)
        return rate

    def changes(self, other: "Rate") -> bool:
        """Whether `other`, of the same key, differs in more than its end: a published key never does."""
        return replace(other, effective_to=None) != replace(self, effective_to=None)


@dataclass(frozen=True)
class AccountPlan:
    """The card an account is on from `effective_from` (microseconds)."""

    account_id: str
    rate_card_id: str
    effective_from: int

    @property
    def key(self) -> str:
        """The record's key: account_id@effective_from."""
        return f"{self.account_id}@{rfc3339(self.effective_from)}"

    @classmethod
    def checked(cls, record: Mapping[str, Any]) -> "AccountPlan":
        """A plan from a record's fields. Raises BadRateError."""
        plan = cls(**record)
        faults = _id_faults("rate_card_id", plan.rate_card_id) + _time_faults("effective_from", plan.effective_from)
        if not _is_id(plan.account_id):
            faults.append(("account_id", _NO_ID))
        if faults:
            raise BadRateError(faults)
        return plan


def rfc3339(micros: int) -> str:
    """A time as it stands in record keys: RFC 3339 with `Z` and six decimals."""
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def changes_of(before: Rate, rate: Rate) -> list[tuple[str, str]]:
    """The fault of a rate that differs from the published one of its key, in the first field that differs."""
    name = next(
        each.name
        for each in fields(Rate)
        if each.name != "effective_to" and getattr(before, each.name) != getattr(rate, each.name)
    )
    was, now = (_text(name, getattr(each, name)) for each in (before, rate))
    # A deck calls its columns without the unit.
    column = name.removesuffix("_nanos")
    return [(column, f"{now}, but {rate.key!r} is published with {was}; a new price needs a new effective_from")]


def _text(name: str, value: str | int) -> str:
    if not name.endswith("_nanos"):
        return repr(value) if isinstance(value, str) else str(value)
    return f"{Decimal(value).scaleb(-_NANO_PLACES).normalize():f}"


def _faults(rate: Rate) -> list[tuple[str, str]]:
    """Everything that is wrong with one rate alone: (field, message)."""
    faults = [*_id_faults("rate_card_id", rate.rate_card_id), *_id_faults("usage_type", rate.usage_type)]
    if rate.usage_type in NO_USAGE:
        faults.append(("usage_type", f"'{rate.usage_type}' is what {_called(rate.usage_type)} are called"))
    faults += _prefix_faults(rate.destination_prefix)
    if (length := len(rate.destination_name.encode())) > MAX_DESTINATION_NAME_BYTES:
        too_long = f"{length} bytes are too long for one record, at most {MAX_DESTINATION_NAME_BYTES} fit"
        faults.append(("destination_name", too_long))
    if not re.fullmatch(r"[A-Z]{3}", rate.currency):
        faults.append(("currency", f"'{rate.currency}' is no ISO 4217 code such as EUR"))
    if not 0 <= rate.price_nanos <= MAX_AMOUNT_NANOS:
        faults.append(("price", "must be 0 or more and below 1,000,000,000"))
    if not 1 <= rate.price_units <= 1000 and rate.price_units not in MANY_PRICE_UNITS:
        faults.append(("price_units", "must be 1 to 1,000, 3,600, or a power of ten up to 1,000,000,000"))
    else:
        faults += _too_many_units(rate)
    return [*faults, *_unit_faults(rate), *_period_faults(rate)]


def _called(description: str) -> str:
    return "top-ups" if description == TOP_UP else "adjustments"


def _prefix_faults(prefix: str) -> list[tuple[str, str]]:
    """A prefix that begins with 00 is a fault: numbers lose a leading 00, so none would ever have it."""
    if not re.fullmatch(rf"[0-9]{{0,{MAX_PREFIX_DIGITS}}}", prefix):
        return [("destination_prefix", f"must be at most {MAX_PREFIX_DIGITS} digits, without + or 00")]
    if prefix.startswith("00"):
        instead = prefix.lstrip("0") or "the country's code"
        return [("destination_prefix", f"no number begins with 00: write {instead}")]
    return []


def _id_faults(field: str, value: str) -> list[tuple[str, str]]:
    if not _is_id(value):
        return [(field, _NO_ID)]
    return [(field, "must not contain '|'")] if "|" in value else []


def _is_id(value: str) -> bool:
    return 1 <= len(value) <= MOST_ID_CHARACTERS


def _unit_faults(rate: Rate) -> list[tuple[str, str]]:
    size = UNIT_SIZES.get(rate.unit)
    if size is None:
        return [("unit", f"unknown unit '{rate.unit}': one of {', '.join(UNIT_SIZES)}")]
    faults = []
    if rate.unit_size != size:
        faults.append(("unit_size", f"must be {size} for {rate.unit}"))
    for field, increment in (("initial_increment", rate.initial_increment), ("increment", rate.increment)):
        if not 1 <= increment <= MAX_INCREMENT:
            faults.append((field, f"must be from 1 to {MAX_INCREMENT}"))
        elif increment % size:
            faults.append((field, f"{increment} is no multiple of the unit size {size}"))
    return faults


def _too_many_units(rate: Rate) -> list[tuple[str, str]]:
    return [
        (
            field,
            f"a price for {rate.price_units} units that does not end cannot be charged for over {rate.max_units} units",
        )
        for field, increment in (("initial_increment", rate.initial_increment), ("increment", rate.increment))
        if increment > rate.max_units * UNIT_SIZES.get(rate.unit, 1)
    ]


def _period_faults(rate: Rate) -> list[tuple[str, str]]:
    faults = _time_faults("effective_from", rate.effective_from) + _time_faults("effective_to", rate.effective_to)
    if rate.effective_to is not None and rate.effective_to <= rate.effective_from:
        faults.append(("effective_to", "must be after effective_from"))
    return faults


def _time_faults(field: str, micros: int | None) -> list[tuple[str, str]]:
    if micros is None or EARLIEST_MICROS <= micros <= LATEST_MICROS:
        return []
    return [(field, "lies beyond the times that can be stored")]
