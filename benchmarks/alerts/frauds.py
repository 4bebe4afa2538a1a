"""The frauds that are planted into the month: stolen SIP accounts, pumped SMS, and kinds that are harder to see."""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from credit_movements.demo.generated.accounts import ACCOUNTS, DAY_MICROS
from credit_movements.demo.generated.usage import event_ids

NOW: Final = 1_793_000_000_000_000
SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
FIRST_DAY: Final = NOW // DAY_MICROS - 31
PREMIUM: Final = "88299"


class Fraud(NamedTuple):
    """From `hour` of a day (0: the first of the month) on, for `minutes`, on so many lines at once; and again on the next
    `days`, each time on `growth` times as many lines. A line calls again as soon as a call has ended, `seconds` (at least, at
    most) long; of messages that is the pause between two."""

    what: str
    account: int
    user: str | None
    prefix: str
    day: int
    hour: int
    minutes: int
    lines: int
    seconds: tuple[int, int] = (120, 540)
    usage_type: str = "call"
    days: int = 1
    growth: float = 1.0

    @property
    def account_id(self) -> str:
        return ACCOUNTS[self.account].account_id

    @property
    def begin(self) -> int:
        return (FIRST_DAY + self.day) * DAY_MICROS + self.hour * HOUR

    @property
    def end(self) -> int:
        return self.begin + (self.days - 1) * DAY_MICROS + self.minutes * 60 * SECOND


# Quick ones: each has to be found within five minutes of its first record.
FRAUDS: Final = (
    Fraud("premium numbers, 20 lines, 3 h from 02:00", 0, "anna-0", PREMIUM, 12, 2, 180, 20),
    Fraud("premium numbers, 8 lines, 1 h from 03:00", 1, "user 7-1", PREMIUM, 14, 3, 60, 8),
    Fraud("premium numbers, 15 lines, 2 h from 01:00, no user named", 3, None, PREMIUM, 16, 1, 120, 15),
    Fraud("Jamaica, 40 lines, 4 h from 02:00", 6, "elif-6", "1876", 18, 2, 240, 40),
    Fraud("premium numbers, 10 lines, 1.5 h from 22:00", 9, "björn-9", PREMIUM, 19, 22, 90, 10),
    Fraud("premium numbers, 10 lines, 2 h from 04:00, an unknown user", 12, "stolen-12", PREMIUM, 21, 4, 120, 10),
    Fraud("premium numbers, 15 lines, 1 h at noon of a working day", 2, "chloé-2", PREMIUM, 22, 12, 60, 15),
    Fraud("American Samoa, 30 lines, 5 h from 00:00, a small account", 46, "anna-46", "1684", 25, 0, 300, 30),
    Fraud("SMS pumped to Indonesia, 70 a minute, 2 h from 03:00, no user", 5, None, "62", 13, 3, 120, 7, (4, 8), "sms"),
    Fraud("SMS pumped to Bangladesh, 280 a minute, 1 h at noon", 14, None, "880", 20, 12, 60, 28, (4, 8), "sms"),
)
# Slow, or like what is usual: how soon they are found, if at all, is what the report says.
HARDER: Final = (
    Fraud("Jamaica, one line, 6 h from 01:00", 15, "dmitri-15", "1876", 24, 1, 360, 1),
    Fraud("cheap calls of seconds to the own country, 30 lines, 3 h from 02:00", 8, "anna-8", "7", 15, 2, 180, 30, (6, 20)),
    Fraud("the same at noon", 18, "anna-18", "351", 22, 11, 180, 30, (6, 20)),
    Fraud(
        "a ramp: Jamaica, half an hour each night, from 1 line to 21 in 12 nights",
        *(17, "anna-17", "1876", 14, 2, 30, 1), days=12, growth=1.32,
    ),
    Fraud(
        "a drip: Egypt, one line, 10 minutes each night of 12", *(19, "anna-19", "20", 15, 3, 10, 1), days=12,
    ),
)  # fmt: skip
ALL: Final = (*FRAUDS, *HARDER)


def events_of(random: np.random.Generator, fraud: Fraud) -> pl.DataFrame:
    """Its usage events."""
    shortest, longest = fraud.seconds
    begins, lengths = [], []
    for day in range(fraud.days):
        first = fraud.begin + day * DAY_MICROS
        for _ in range(round(fraud.lines * fraud.growth**day)):
            at = first + int(random.integers(0, 60)) * SECOND
            while at < first + fraud.minutes * 60 * SECOND:
                begins.append(at)
                lengths.append(int(random.integers(shortest, longest)))
                at += (lengths[-1] + 3 * (fraud.usage_type == "call")) * SECOND
    count = len(begins)
    return pl.DataFrame(
        {
            "event_id": event_ids(random, count),
            "account_id": [fraud.account_id] * count,
            "interaction_id": [f"SIP-{number}" for number in range(count)],
            "usage_type": [fraud.usage_type] * count,
            "quantity": lengths if fraud.usage_type == "call" else [1] * count,
            "destination": [f"+{fraud.prefix}{number % 7}5551234" for number in range(count)],
            "occurred_at": begins,
            "user_id": pl.Series([fraud.user] * count, dtype=pl.String),
        }
    )
