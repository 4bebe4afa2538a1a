"""By what an account is judged, unless it has settings of its own. How far is unusual is said here."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from streams.events.sorted_keys import Ints


@dataclass(frozen=True)
class Rules:
    """`low_balance_nanos`: below it a balance is low. `empty_soon_hours`: a balance that is gone within so many hours, at the
    pace of the last days, is soon empty; 0: never. `unusual_nanos`: what is spent in an hour is never unusual below it."""

    low_balance_nanos: int
    empty_soon_hours: int
    unusual_nanos: int


class RowRules(NamedTuple):
    """The same, for each row."""

    low_balance_nanos: Ints
    empty_soon_hours: Ints
    unusual_nanos: Ints

    @classmethod
    def of(cls, rules: Rules, rows: int) -> "RowRules":
        return cls(
            np.full(rows, rules.low_balance_nanos),
            np.full(rows, rules.empty_soon_hours),
            np.full(rows, rules.unusual_nanos),
        )


# What is spent is unusual above the median of like hours, plus six standard deviations of what varies by chance alone (1.4826
# times the median absolute deviation is one), plus the median twice, plus the floor: the largest of the three last ones.
DEVIATIONS: Final = 9
MEDIANS: Final = 2
# A day's floor, in floors of an hour.
FLOORS_OF_A_DAY: Final = 3
# Of a user or a country, in floors and in the account's own median: a new colleague of a large account is no news.
ACCOUNT_SHARE: Final = 2
# Where nothing is usual this part of the floor is enough, once so many calls or messages have cost it. One call may be long by
# chance, and needs the whole floor.
QUIET_SHARE: Final = 2
SEVERAL: Final = 5
# An account that is known for less than this is told nothing of its spending: nobody knows yet what is usual.
LEAST_DAYS_KNOWN: Final = 7
# So many an account is told of its spending on a day of the log: its user, its country and itself. A theft over many lines and
# countries, or a history that comes in one go, is no flood of mails.
MOST_TOLD_A_DAY: Final = 3
DAYS_OF_PACE: Final = 3
HOURS_OF_A_DAY: Final = 24
