"""A batch of movements as columns, of all partitions at once: what can be said of each without knowing what came before.

A step of Polars takes as long for one movement as for a thousand. So nearly all of them are here, once for a batch, and not in
the judge, of which each partition has its own.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.arrow import arrow_of, numpy_of
from streams.alerts.judging.countries import NO_COUNTRY, countries
from streams.alerts.judging.rules import RowRules
from streams.alerts.judging.settings import AccountSettings
from streams.dedup.fingerprints import Hashes, id_hashes
from streams.events.sorted_keys import NONE, Ints, distinct
from streams.pricing.tables.hash_index import Mask

_NULL: Final = arrow_of(np.array([NONE]))[0]


class Named(NamedTuple):
    """A column of texts: `names`, each once, and which of them each row has, NONE where it has none."""

    names: pl.Series
    codes: Ints

    @classmethod
    def of(cls, texts: pl.Series) -> "Named":
        encoded: pa.DictionaryArray = texts.to_arrow().dictionary_encode()
        codes = numpy_of(encoded.indices.cast(pa.int64()).fill_null(_NULL))
        return cls(pl.Series(encoded.dictionary, dtype=pl.String), codes)

    def of_rows(self, rows: Ints | slice) -> "Named":
        return Named(self.names, self.codes[rows])

    @classmethod
    def of_countries(cls, codes: Ints) -> "Named":
        found = distinct(codes)
        names = pl.Series([f"country:+{code}" for code in found.tolist()], dtype=pl.String)
        return cls(names, np.where(codes == NO_COUNTRY, NONE, np.searchsorted(found, codes)))


@dataclass(frozen=True)
class Facts:
    """Of each movement. `table` has the columns of CreditMovement, and `rows` says where each lies in it. `offsets` and
    `logged_at` (microseconds) are those of the records. `accounts`: currency and account, since an account in another currency
    is another one. `users` and `countries`: as `subject` of CreditAlert has them. `rules`: what is in force."""

    table: pl.DataFrame
    rows: Ints
    offsets: Ints
    logged_at: Ints
    occurred_at: Ints
    nanos: Ints
    ids: Hashes
    is_spent: Mask
    accounts: Named
    users: Named
    countries: Named
    rules: RowRules

    @classmethod
    def read(cls, table: pl.DataFrame, offsets: Ints, logged_at: Ints, settings: AccountSettings) -> "Facts":
        """Of all rows of a table of movements."""
        # The unit says what a movement is, never the description: an old usage type may be called `refund`.
        is_spent = (pl.col("credit_movement_nanos") < 0) & (pl.col("unit") != "")
        found = table.select(
            pl.concat_str("currency", "account_id").alias("account"),
            pl.concat_str(pl.lit("user:"), "user_id").alias("user"),
            is_spent.alias("is_spent"),
        )
        occurred_at = table["occurred_at"].to_numpy()
        return cls(
            table=table,
            rows=np.arange(len(table)),
            offsets=offsets,
            logged_at=logged_at,
            occurred_at=occurred_at,
            nanos=table["credit_movement_nanos"].to_numpy(),
            ids=id_hashes(table.select("account_id", pl.col("movement_id").alias("event_id"))),
            is_spent=found["is_spent"].to_numpy(),
            accounts=Named.of(found["account"]),
            users=Named.of(found["user"]),
            countries=Named.of_countries(countries(table["destination"])),
            rules=settings.at(table["account_id"], occurred_at),
        )

    @property
    def count(self) -> int:
        return len(self.offsets)

    def of(self, rows: Ints | slice) -> "Facts":
        """Of these alone."""
        return Facts(
            table=self.table,
            rows=self.rows[rows],
            offsets=self.offsets[rows],
            logged_at=self.logged_at[rows],
            occurred_at=self.occurred_at[rows],
            nanos=self.nanos[rows],
            ids=self.ids[rows],
            is_spent=self.is_spent[rows],
            accounts=self.accounts.of_rows(rows),
            users=self.users.of_rows(rows),
            countries=self.countries.of_rows(rows),
            rules=RowRules(*(column[rows] for column in self.rules)),
        )
