"""Decoded movements as the columns of the table `credit_movements`. Pure: no client, no clock."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from sinks.read.erased import PERSONAL

_MONEY: Final = pa.decimal128(18, 9)
_MICROSECONDS: Final = pl.Datetime("us", "UTC")
_TEXTS: Final = (
    "account_id",
    "interaction_id",
    "description",
    "unit",
    "currency",
    "user_id",
    "destination",
    "rate_card_id",
    "destination_prefix",
    "source_topic",
    "reason",
    "direction",
    "from_number",
    "campaign_id",
    "destination_name",
)

Int64s = npt.NDArray[np.int64]


def movement_columns(movements: pl.DataFrame, log_id: str, log_partitions: Int64s, log_offsets: Int64s) -> pa.Table:
    """The Arrow table that ClickHouse takes, one row for each of `movements`.

    `movements` has a column for each field of CreditMovement, times as Int64 microseconds, money as Int64 nanos of less
    than 1e18 either way. `log_partitions` and `log_offsets` (equally long) are the position of each in the log `log_id`.
    """
    texts = movements.select(_TEXTS).to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = {name: texts[name] for name in _TEXTS}
    columns |= {
        # As text: ClickHouse reads the canonical form faster than Python could make the 16 bytes.
        "movement_id": _arrow(movements["movement_id"]),
        "corrected_movement_id": _arrow(movements["corrected_movement_id"]),
        "occurred_at": _instants(movements["occurred_at"]),
        "rate_effective_from": _instants(movements["rate_effective_from"]),
        "quantity": _arrow(movements["quantity"]),
        "units_charged": _arrow(movements["units_charged"]),
        "price": decimals(movements["price_nanos"].to_numpy()),
        "price_units": _arrow(movements["price_units"]),
        "credit_movement": decimals(movements["credit_movement_nanos"].to_numpy()),
        "source_partition": _arrow(movements["source_partition"].cast(pl.Int32)),
        "source_offset": _arrow(movements["source_offset"]),
        "log_id": pa.repeat(pa.scalar(log_id, pa.large_string()), len(movements)),
        "log_partition": _arrow(pl.Series(log_partitions, dtype=pl.Int32)),
        "log_offset": _arrow(pl.Series(log_offsets)),
    }
    return pa.table(columns)


def without_personal_data(columns: pa.Table, accounts: list[str]) -> pa.Table:
    """The same rows; those of `accounts` have no numbers, no user and no reason."""
    if not accounts:
        return columns
    is_erased = pc.is_in(columns["account_id"], pa.array(accounts, columns["account_id"].type))
    for name in PERSONAL:
        kept = pc.if_else(is_erased, pa.scalar(None, columns[name].type), columns[name])
        columns = columns.set_column(columns.column_names.index(name), name, kept)
    return columns


def decimals(nanos: Int64s) -> pa.Array:
    """Nanos as Decimal(18, 9), the digits untouched: Arrow's decimal is a little-endian 128-bit integer of nanos."""
    halves = np.empty((len(nanos), 2), dtype="<i8")
    halves[:, 0] = nanos
    halves[:, 1] = nanos >> 63  # the sign, spread over the upper half
    return pa.Array.from_buffers(_MONEY, len(nanos), [None, pa.py_buffer(halves)])


def _instants(micros: pl.Series) -> pa.Array:
    return _arrow(micros.cast(_MICROSECONDS))


def _arrow(series: pl.Series) -> pa.Array:
    return series.to_arrow(compat_level=pl.CompatLevel.oldest())
