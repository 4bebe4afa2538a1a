"""A month of good usage: every event of it can be rated. It is made as a table, without a loop over events."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_movements.demo.generated.accounts import ACCOUNTS, DAY_MICROS
from credit_movements.demo.generated.details import with_details
from credit_movements.demo.generated.numbers import numbers

DAYS_OF_TRAFFIC: Final = 31
_HOUR_MICROS: Final = 3_600_000_000
_EPOCH_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday

# Usage type → how often, and what its interaction ids begin with.
_TYPES: Final = {
    "call": (0.44, "CA"),
    "sms": (0.31, "SM"),
    "whatsapp": (0.10, "WA"),
    "mms": (0.02, "MM"),
    "ai-voice-agents": (0.08, "AV"),
    "stt": (0.05, "ST"),
}
_TYPE_NAMES: Final = list(_TYPES)
_BY_HOUR: Final = (1, 1, 1, 1, 1, 2, 5, 12, 28, 40, 44, 42, 34, 38, 42, 41, 38, 30, 18, 12, 8, 5, 3, 2)
_BY_WEEKDAY: Final = (10, 11, 11, 10, 9, 3, 2)
_LONGEST_USE_SECONDS: Final = 4 * 3600

# Texts that a customer's line may have, and that a spreadsheet or a CSV reader may misread.
_ODD_INTERACTION_IDS: Final = (
    '=HYPERLINK("http://example.invalid","click")',
    "+49 89 123456",
    "-17",
    "@sum(A1:A9)",
    'she said "hello", twice',
    "two\r\nlines",
    "\ttab first",
    "semi;colon",
    "звонок-1",
    " spaces ",
)
_USER_NAMES: Final = ("anna", "björn", "chloé", "dmitri", "山田太郎", "elif", "f.o'neill", "=admin", "user 7", "ülkü")

Generator = np.random.Generator
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def usage(random: Generator, now_micros: int, events: int) -> pl.DataFrame:
    """`events` UsageEvents by `occurred_at`, in the 31 days before the midnight of `now_micros` and since."""
    accounts = random.choice(len(ACCOUNTS), size=events, p=_account_shares())
    types = random.choice(len(_TYPES), size=events, p=[share for share, _ in _TYPES.values()])
    names = pl.Series([each.account_id for each in ACCOUNTS])
    type_names = pl.Series(_TYPE_NAMES).gather(types)
    table = pl.DataFrame(
        {
            "event_id": _met(event_ids(random, events), accounts),
            "account_id": names.gather(accounts),
            "interaction_id": _interaction_ids(random, types),
            "usage_type": type_names,
            "quantity": _quantities(random, types),
            "destination": numbers(random, accounts, type_names == "mms"),
            "occurred_at": _instants(random, now_micros, events),
            "user_id": _users(random, accounts),
        }
    )
    has_number = pl.col("usage_type").is_in(["stt", "ai-voice-agents"]).not_()
    table = table.with_columns(pl.when(has_number).then("destination").alias("destination"))
    # By a generator of its own: all else stays what it is without them.
    return with_details(random.spawn(1)[0], table, accounts).sort("occurred_at")


def event_ids(random: Generator, count: int) -> list[str]:
    """Random UUIDs (version 4) in canonical form."""
    octets = np.frombuffer(random.bytes(16 * count), np.uint8).reshape(count, 16).copy()
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    digits = octets.tobytes().hex()
    starts = range(0, 32 * count, 32)
    return [
        f"{digits[i : i + 8]}-{digits[i + 8 : i + 12]}-{digits[i + 12 : i + 16]}-{digits[i + 16 : i + 20]}"
        f"-{digits[i + 20 : i + 32]}"
        for i in starts
    ]


def _met(ids: list[str], accounts: Ints) -> list[str]:
    """Some ids are used by two accounts: an id is unique within its account only, and each event counts."""
    for row in range(0, len(ids) - 1, 10_007):
        if accounts[row] != accounts[row + 1]:
            ids[row + 1] = ids[row]
    return ids


def _account_shares() -> Floats:
    """A few large customers and many small ones."""
    weights = 1 / (np.arange(len(ACCOUNTS)) + 1.5) ** 0.9
    shares: Floats = weights / weights.sum()
    return shares


def _instants(random: Generator, now_micros: int, events: int) -> Ints:
    """By day and by night, workday or Sunday; never after `now_micros`."""
    midnight = now_micros - now_micros % DAY_MICROS
    hours = np.arange(midnight - DAYS_OF_TRAFFIC * DAY_MICROS, now_micros, _HOUR_MICROS)
    weekdays = (hours // DAY_MICROS + _EPOCH_WEEKDAY) % 7
    weights = np.array(_BY_HOUR)[hours // _HOUR_MICROS % 24] * np.array(_BY_WEEKDAY)[weekdays]
    lengths = np.minimum(_HOUR_MICROS, now_micros - hours)
    shares = weights * lengths / (weights * lengths).sum()
    chosen = random.choice(len(hours), size=events, p=shares)
    instants: Ints = hours[chosen] + (random.random(events) * lengths[chosen]).astype(np.int64)
    return instants


def _quantities(random: Generator, types: Ints) -> Ints:
    count = len(types)
    medians = np.array([85, 0, 0, 0, 130, 240])[types]
    seconds = np.minimum(medians * random.lognormal(0, 1.1, count), _LONGEST_USE_SECONDS).astype(np.int64)
    nobody_answered = random.random(count) < 0.11
    seconds[nobody_answered & (types == _TYPE_NAMES.index("call"))] = 0
    fragments = random.choice([1, 2, 3, 4, 7], size=count, p=[0.71, 0.19, 0.07, 0.02, 0.01])
    messages = np.ones(count, np.int64)
    return np.select([medians > 0, types == _TYPE_NAMES.index("sms")], [seconds, fragments], messages)


def _interaction_ids(random: Generator, types: Ints) -> pl.Series:
    count = len(types)
    digits = random.bytes(12 * count).hex()
    prefixes = [prefix for _, prefix in _TYPES.values()]
    rest = pl.Series([digits[i : i + 24] for i in range(0, 24 * count, 24)])
    ids = pl.Series(prefixes).gather(types) + rest
    odd = np.arange(count) % 997 == 5
    oddities = pl.Series(_ODD_INTERACTION_IDS).gather(np.arange(count) // 997 % len(_ODD_INTERACTION_IDS))
    return pl.select(pl.when(pl.Series(odd)).then(oddities).otherwise(ids).alias("id"))["id"]


def _users(random: Generator, accounts: Ints) -> pl.Series:
    """Some ten people an account; one event in seven is nobody's."""
    people = pl.Series(_USER_NAMES).gather((random.random(len(accounts)) ** 2 * len(_USER_NAMES)).astype(np.int64))
    named = people + "-" + pl.Series(accounts).cast(pl.String)
    return pl.select(pl.when(pl.Series(random.random(len(accounts)) > 1 / 7)).then(named).alias("id"))["id"]
