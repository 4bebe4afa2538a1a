"""The Parquet of an export: the same columns, with types of their own. Pure, in flat memory.

Times are instants with all their microseconds, and the schema names the request's zone, in which readers show them. Amounts are
decimals. Texts are as they came: nothing of a Parquet file is ever run as a formula.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final

import polars as pl
import pyarrow as pa

from exporter.file.formats.columns import Column, Kind, cells, columns_of
from exporter.file.formats.numbers import VALUE_DECIMALS
from exporter.request.window import Period, utc_offsets

# So many rows make a row group, however they came: the bytes must be the same at every attempt.
_GROUP_ROWS: Final = 131_072
_WHOLE: Final = pa.int64()
_NUMBERS: Final[dict[str, pa.DataType]] = {
    "Units charged": _WHOLE,
    "Duration (seconds)": _WHOLE,
    "Value per unit": pa.decimal128(38, VALUE_DECIMALS),
    "Credit movement": pa.decimal128(18, 9),
    "Balance after": pa.decimal128(38, 9),
}


class _Sink:
    """What the writer has written since it was asked last."""

    closed = False

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken


def parquet_chunks(
    blocks: Iterable[pl.DataFrame], period: Period, is_detailed: bool = False
) -> Generator[bytes, None, None]:
    """The file of these blocks (see `csv_chunks`)."""
    # It takes a third of a second to load, which is for those who need it.
    import pyarrow.parquet as pq

    offsets, columns = utc_offsets(period), columns_of(is_detailed)
    schema = pa.schema([(column.header, _type(column, period)) for column in columns])
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd", compression_level=3, version="2.6") as writer:
        for group in _groups(blocks):
            writer.write_table(_table(group, cells(group, offsets, is_detailed), schema), row_group_size=_GROUP_ROWS)
            yield sink.taken()
    yield sink.taken()


def _type(column: Column, period: Period) -> pa.DataType:
    if column.kind == Kind.TIME:
        return pa.timestamp("us", tz=period.time_zone)
    return pa.string() if column.kind == Kind.TEXT else _NUMBERS[column.header]


def _table(group: pl.DataFrame, texts: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        is_time = pa.types.is_timestamp(field.type)
        values = group["occurred_at_micros"] if is_time else texts[field.name]
        arrays.append(values.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(field.type))
    return pa.table(arrays, schema=schema)


def _groups(blocks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows, _GROUP_ROWS at a time, but for the last."""
    held: list[pl.DataFrame] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        while count >= _GROUP_ROWS:
            together = pl.concat(held, rechunk=True)
            yield together.head(_GROUP_ROWS)
            held = [together.slice(_GROUP_ROWS)]
            count -= _GROUP_ROWS
    if count:
        yield pl.concat(held, rechunk=True)
