"""One account's movements out of ClickHouse, in the order of the CSV, in blocks. The exporter reads them.

ClickHouse sends a result while it still computes it. A stream that ends early (a killed server, a limit met half-way) need not
look broken to the client. Buffering on the server (`wait_end_of_query=1`) would show it, but keeps the whole result in the
server's memory or on its disk. So a question of its own counts the rows first (see `totals`), and the stream is held against
that count. This works on clickhouse-server and on chDB behind its HTTP face, and it is cheap, since counting reads no texts.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from sinks.read.slice import (
    BLOCK_ROWS,
    ROWS_OF_SLICE,
    SETTINGS,
    MovementsSlice,
    MovementsUnavailableError,
    outages_named,
)
from sinks.read.totals import read_totals

# This is the table's own order but for the last column, so only movements of the same microsecond are sorted. A UUID column
# sorts by its second half; its 16 bytes in order sort as its text does, in less time.
IN_ORDER: Final = "ORDER BY occurred_at, UUIDToNum(movement_id)"
_ONLY_CHECKED: Final = ("account_id", "is_of_another_log", "log_partition", "log_offset")
_SELECT: Final = f"""
SELECT
    account_id,%s
    toUnixTimestamp64Micro(occurred_at) AS occurred_at_micros,
    interaction_id,
    toString(description) AS description,
    toString(unit) AS unit,
    units_charged,
    reinterpretAsInt64(price) AS price_nanos,
    price_units,
    reinterpretAsInt64(credit_movement) AS credit_movement_nanos,
    log_id != {{log_id:String}} AS is_of_another_log,
    log_partition,
    log_offset
{ROWS_OF_SLICE}
{IN_ORDER}
"""


# No alias is called as its column: ClickHouse would take the text for the column wherever it stands.
_DETAILS: Final = """
    toString(movement_id) AS movement_text,
    quantity,
    toString(currency) AS currency_text,
    user_id,
    toString(direction) AS direction_text,
    from_number,
    toString(campaign_id) AS campaign_text,
    destination,
    toString(destination_name) AS destination_name_text,
    rate_card_id,
    destination_prefix,
    toUnixTimestamp64Micro(rate_effective_from) AS rate_effective_from_micros,"""


class ForeignMovementError(AssertionError):
    """ClickHouse sent a row that was not asked for, maybe of another account. It is a bug, and nobody may see that row."""


def stream_movements(
    client: Client, wanted: MovementsSlice, expected: int | None = None, *, with_details: bool = False
) -> Generator[pl.DataFrame, None, None]:
    """Blocks by (`occurred_at`, `movement_id` as text), with the columns that `exporter.file.formats.columns` takes; with more
    of them where these details are asked for.

    `client` serves one stream at a time. `expected` is the row count of `read_totals`, if the caller has it already. Raises
    ForeignMovementError, and MovementsUnavailableError, also at the end of a stream that was cut short.
    """
    if expected is None:
        expected = read_totals(client, wanted).row_count
    received = 0
    question = _SELECT % (_DETAILS if with_details else "")
    for block in read_blocks(client, question, vars(wanted), SETTINGS):
        _check(block, wanted)
        received += len(block)
        yield block.drop(_ONLY_CHECKED)
    if received != expected:
        raise MovementsUnavailableError(f"ClickHouse sent {received} rows of {expected}")


def _check(block: pl.DataFrame, wanted: MovementsSlice) -> None:
    """Hold the rows against `wanted`: a bug in the question must not bring other rows into a file."""
    at, is_in_log = pl.col("occurred_at_micros"), pl.col("log_partition") == wanted.log_partition
    of_account, in_period, below_end = block.select(
        (pl.col("account_id") == wanted.account_id).all(),
        ((at >= wanted.from_micros) & (at < wanted.to_micros)).all().alias("in_period"),
        ((pl.col("is_of_another_log") != 0) | (is_in_log & (pl.col("log_offset") < wanted.log_end_offset)))
        .all()
        .alias("below_end"),
    ).row(0)
    if not of_account:
        raise ForeignMovementError(f"movements of another account among those of {wanted.account_id!r}")
    if not (in_period and below_end):
        raise ForeignMovementError(f"movements that {wanted} does not have among those of {wanted.account_id!r}")


def read_blocks(
    client: Client, question: str, parameters: dict[str, Any], settings: dict[str, Any]
) -> Iterator[pl.DataFrame]:
    """The answer, in blocks of BLOCK_ROWS rows or somewhat more, but for the last. An answer that was cut short is not noticed
    here. Raises MovementsUnavailableError.

    ClickHouse sends far smaller blocks where PREWHERE leaves few rows of each, or where a part is read alone (8,192 rows). Each
    block costs a reader the same again, so they are put together.
    """
    with (
        outages_named(),
        client.query_arrow_stream(question, parameters=parameters, settings=settings, use_strings=True) as stream,
    ):
        gathered: list[pa.RecordBatch] = []
        for batch in stream:
            gathered.append(batch)
            if sum(map(len, gathered)) >= BLOCK_ROWS:
                yield _block(gathered)
                gathered = []
        if gathered:
            yield _block(gathered)


def _block(batches: Sequence[pa.RecordBatch]) -> pl.DataFrame:
    block = pl.from_arrow(pa.Table.from_batches(batches), rechunk=True)
    assert isinstance(block, pl.DataFrame)
    return block
