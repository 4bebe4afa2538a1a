"""Numbers that people call and write to: most at home, some anywhere in the world."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from credit_movements.demo.generated.accounts import ACCOUNTS
from credit_movements.demo.generated.destinations import DESTINATIONS

# Where the company's rate cards have a price for an MMS.
_MMS_PREFIXES: Final = ("1", "31", "44", "49")
_HOME_SHARE: Final = 0.72
_LONGEST_COUNTRY_CODE: Final = 3

Generator = np.random.Generator
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def numbers(random: Generator, accounts: Ints, is_mms: pl.Series) -> pl.Series:
    """A number for each of `accounts` (indexes), E.164 as a rule, a few as people type them."""
    count = len(accounts)
    chosen = np.where(
        is_mms.to_numpy(),
        _choose(random, accounts, _destination_shares(_MMS_PREFIXES)),
        _choose(random, accounts, _destination_shares(("",))),
    )
    digits = pl.Series([each.prefix for each in DESTINATIONS]).gather(chosen)
    rest = pl.Series(random.integers(10**11, 10**12, size=count)).cast(pl.String)
    length = 11 + pl.Series(chosen % 2) - digits.str.len_chars()
    table = pl.DataFrame(
        {"prefix": digits, "rest": rest, "national": rest.str.tail(length), "form": random.random(count)}
    )
    return table.select(_written().alias("number"))["number"]


def _written() -> pl.Expr:
    """What becomes of `prefix` and `national`, by `form`: most in E.164, as publishers should, the others as people and
    telephones write numbers."""
    prefix, national, form = pl.col("prefix"), pl.col("national"), pl.col("form")
    is_country = prefix.str.len_chars() <= _LONGEST_COUNTRY_CODE
    return (
        pl.when(form < 0.02)
        .then(pl.format("00{}{}", prefix, national))
        .when(form < 0.04)
        .then(pl.format("+{} ({}) 555-01.23", prefix, pl.col("rest").str.tail(3)))
        .when(form < 0.05)
        .then(pl.format("{}{}", prefix, national))
        .when(form < 0.06)
        .then(pl.format("tel:+{}-{};ext=17", prefix, national))
        .when(form < 0.07)
        .then(pl.format("sip:+{}{}@sip.example.com;user=phone", prefix, national))
        .when((form < 0.08) & is_country)
        .then(pl.format("+{} (0){}", prefix, national))
        .when(form < 0.09)
        .then(pl.format("\u200e+{}\u00a0{}\u2011{}\u200e", prefix, national.str.head(3), national.str.slice(3)))
        .otherwise(pl.format("+{}{}", prefix, national))
    )


def _destination_shares(allowed: tuple[str, ...]) -> Floats:
    """Of shape (accounts, destinations), each row adding up to 1."""
    weights = np.array([each.traffic if each.prefix.startswith(allowed) else 0 for each in DESTINATIONS], np.float64)
    abroad = weights / weights.sum()
    rows = []
    for account in ACCOUNTS:
        home = weights * [each.prefix.startswith(account.home) for each in DESTINATIONS]
        rows.append(_HOME_SHARE * home / home.sum() + (1 - _HOME_SHARE) * abroad if home.any() else abroad)
    return np.array(rows)


def _choose(random: Generator, accounts: Ints, shares: Floats) -> Ints:
    """A destination for each row, drawn by its account's shares: one search in the cumulated shares of all accounts."""
    ends = np.minimum(np.cumsum(shares, axis=1), 1) + np.arange(len(shares))[:, None]
    ends[:, -1] = np.arange(1, len(shares) + 1)
    found: Ints = np.searchsorted(ends.ravel(), accounts + random.random(len(accounts)), side="right")
    chosen: Ints = found - accounts * shares.shape[1]
    return chosen
