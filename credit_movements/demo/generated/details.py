"""What publishers say of a use besides what its price depends on: its direction, the number that it came from, its campaign."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_movements.demo.generated.accounts import ACCOUNTS
from credit_movements.demo.generated.numbers import numbers

_LINES: Final = 3
_MESSAGES: Final = ("sms", "whatsapp", "mms")
# A text that a spreadsheet would run is among them, as among all texts of customers.
_CAMPAIGNS: Final = ("autumn-sale", "payment reminders", "größer & schöner", "=newsletter")
_CAMPAIGN_SHARE: Final = 0.4

Generator = np.random.Generator
Ints = npt.NDArray[np.int64]


def with_details(random: Generator, used: pl.DataFrame, accounts: Ints) -> pl.DataFrame:
    """`used` with `direction`, `from_number` and `campaign_id`. `accounts`: the index of each row's account.

    People call and write from a line of their account's. Whom a voice agent talks to has called it. What listens has neither.
    """
    count = len(accounts)
    lines = accounts * _LINES + random.integers(0, _LINES, count)
    homes = pl.Series([each.home for each in ACCOUNTS]).gather(accounts)
    callers = numbers(random, accounts, pl.Series(np.zeros(count, dtype=bool)))
    campaigns = pl.Series(_CAMPAIGNS).gather(random.integers(0, len(_CAMPAIGNS), count))
    is_of_campaign = pl.Series(random.random(count) < _CAMPAIGN_SHARE)
    kind = pl.col("usage_type")
    is_inbound, is_outbound = kind == "ai-voice-agents", kind.is_in(["call", *_MESSAGES])
    own = pl.format("+{}555{}", pl.lit(homes), pl.lit(pl.Series(lines)).cast(pl.String).str.zfill(4))
    return used.with_columns(
        pl.when(is_outbound).then(pl.lit("outbound")).when(is_inbound).then(pl.lit("inbound")).alias("direction"),
        pl.when(is_outbound).then(own).when(is_inbound).then(pl.lit(callers)).alias("from_number"),
        pl.when(kind.is_in(_MESSAGES) & pl.lit(is_of_campaign)).then(pl.lit(campaigns)).alias("campaign_id"),
    )
