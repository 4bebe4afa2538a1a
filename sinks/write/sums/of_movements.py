"""Adds up movements that are in memory, as the tables of sums have them. Pure: no client, no clock."""

from collections.abc import Sequence
from typing import Final

import polars as pl
import pyarrow as pa

from sinks.read.summed.grains import ACCOUNT, DESTINATION, KIND_MICROS, QUARTER_MICROS, TOP_UP, USER

# What the sums need of a movement. Besides, each has `log_partition` and `log_block`.
COLUMNS: Final = (
    "account_id",
    "occurred_at",
    "description",
    "unit",
    "rate_card_id",
    "currency",
    "user_id",
    "destination_prefix",
    "credit_movement_nanos",
)
_PLACE: Final = ("log_partition", "log_block")
_QUARTER_KEY: Final = ("account_id", "quarter", "description", "rate_card_id", "currency", *_PLACE)
_KEYED: Final = ("account_id", "kind", "since", "key", "currency", *_PLACE)
_KEYS: Final = {ACCOUNT: pl.lit(""), USER: pl.col("user_id"), DESTINATION: pl.col("destination_prefix")}
_MONEY: Final = ("charges", "top_ups", "adjustments")
# 128 bits of nanos: as Decimal(38, 9) of ClickHouse, but that Polars would multiply an integer that it makes such a decimal.
_NANOS: Final = pl.Decimal(38, 0)
_AMOUNT: Final = pa.decimal128(38, 9)
_IS_USAGE: Final = pl.col("unit") != ""
_IS_TOP_UP: Final = ~_IS_USAGE & (pl.col("description") == TOP_UP)


def quarter_sums(movements: pl.DataFrame, log_id: str) -> pa.Table:
    """The rows of `movement_sums_by_quarter` that `movements` (COLUMNS, `log_partition`, `log_block`) add up to."""
    keyed = movements.with_columns(
        _begin(QUARTER_MICROS).alias("quarter"), pl.col("rate_card_id").fill_null(""), *_amounts()
    )
    return _arrow(_added_up(keyed, _QUARTER_KEY), log_id, "quarter")


def key_sums(movements: pl.DataFrame, log_id: str, without_users: Sequence[str] = ()) -> pa.Table:
    """The rows of `movement_sums_by_key`; none by user of the accounts `without_users`."""
    with_amounts = movements.with_columns(_amounts())
    sums = []
    for kind, key in _KEYS.items():
        since = _begin(KIND_MICROS[kind]).alias("since")
        keyed = with_amounts.with_columns(key.alias("key"), pl.lit(kind).alias("kind"), since)
        keyed = keyed.filter(pl.col("key").is_not_null())
        if kind == USER and without_users:
            keyed = keyed.filter(~pl.col("account_id").is_in(without_users))
        if kind != ACCOUNT:
            keyed = keyed.filter(pl.col("key") != "")
        sums.append(_added_up(keyed, _KEYED))
    return _arrow(pl.concat(sums), log_id, "since")


def _begin(micros: int) -> pl.Expr:
    """The beginning of the quarter, hour or day. Polars' remainder has the sign of the divisor: it is right before 1970."""
    return pl.col("occurred_at") - pl.col("occurred_at") % micros


def _amounts() -> list[pl.Expr]:
    nanos = pl.col("credit_movement_nanos").cast(_NANOS)
    of = {"charges": _IS_USAGE, "top_ups": _IS_TOP_UP, "adjustments": ~_IS_USAGE & ~_IS_TOP_UP}
    return [pl.when(is_of).then(nanos).otherwise(pl.lit(0, _NANOS)).alias(name) for name, is_of in of.items()]


def _added_up(keyed: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    return keyed.group_by(key).agg(
        pl.len().cast(pl.UInt64).alias("movements"),
        *(pl.col(name).sum() for name in _MONEY),
        pl.col("occurred_at").max().alias("newest_at"),
    )


def _arrow(sums: pl.DataFrame, log_id: str, time: str) -> pa.Table:
    timed = sums.with_columns(pl.col(time, "newest_at").cast(pl.Datetime("us", "UTC")))
    table = timed.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    for name in _MONEY:
        column = table[name].combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        # The same bits, which now are nanos.
        amounts = pa.Array.from_buffers(_AMOUNT, len(column), column.buffers(), offset=column.offset)
        table = table.set_column(table.column_names.index(name), name, amounts)
    return table.append_column("log_id", pa.repeat(pa.scalar(log_id, pa.large_string()), len(table)))
