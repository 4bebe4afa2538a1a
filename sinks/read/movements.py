"""One account's movements out of ClickHouse, in the order of the CSV, in blocks: what the exporter reads.

The rows of one question are fixed by the log: its period and the end of the log bound them, so asking again yields the same.

ClickHouse sends a result while it still computes it, and a stream that ends early (a killed server, a limit met half-way)
need not look broken to the client. Buffering on the server (`wait_end_of_query=1`) would show it, but keeps the whole result
in the server's memory or on its disk. So the rows are counted by a question of their own first, and held against what came:
the same on clickhouse-server and on chDB behind its HTTP face, and cheap, since counting reads no texts.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from kafka_io.errors import Outage

_BLOCK_ROWS: Final = 65_536
SETTINGS: Final = {
    # Under FINAL, filtering before rows are merged brings superseded rows back.
    "optimize_move_to_prewhere_if_final": 0,
    "use_skip_indexes_if_final": 0,
    # Read in the order of the table instead of sorting it all, however slowly we take it: flat memory.
    "optimize_read_in_order": 1,
    "read_in_order_use_buffering": 0,
    # Where it must sort after all, it does so on its disk.
    "max_bytes_before_external_sort": 256 * 1024 * 1024,
    "max_block_size": _BLOCK_ROWS,
    # One reads and one formats; more wait for us, with blocks in their hands.
    "max_threads": 2,
    # Packing takes longer than sending.
    "output_format_arrow_compression_method": "none",
}

ROWS_OF_SLICE: Final = """
FROM credit_movements FINAL
WHERE account_id = {account_id:String}
  AND occurred_at >= fromUnixTimestamp64Micro({from_micros:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Micro({to_micros:Int64}, 'UTC')
  AND credit_movement != 0
  AND (log_id != {log_id:String} OR (log_partition = {log_partition:Int32} AND log_offset < {log_end_offset:Int64}))
"""
# The table's own order as far as that goes; only what happened at one microsecond is sorted.
IN_ORDER: Final = "ORDER BY occurred_at, toString(movement_id)"
_ONLY_CHECKED: Final = ("account_id", "is_of_another_log", "log_partition", "log_offset")
_SELECT: Final = f"""
SELECT
    account_id,
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


_BEFORE_SLICE: Final = """
FROM credit_movements FINAL
WHERE account_id = {account_id:String}
  AND occurred_at < fromUnixTimestamp64Micro({from_micros:Int64}, 'UTC')
  AND (log_id != {log_id:String} OR (log_partition = {log_partition:Int32} AND log_offset < {log_end_offset:Int64}))
"""
# 128 bits wide: a sum of 64 bits wraps without a word.
_SUM_NANOS: Final = "toString(sum(toInt128(reinterpretAsInt64(credit_movement))))"
_OPENING: Final = f"SELECT {_SUM_NANOS} {_BEFORE_SLICE}"
_BY_CARD: Final = f"""
SELECT rate_card_id, toString(currency) AS currency_code, count() AS row_count, {_SUM_NANOS} AS nanos
{ROWS_OF_SLICE}
GROUP BY rate_card_id, currency_code
ORDER BY rate_card_id, currency_code
"""


class MovementsUnavailableError(Outage):
    """ClickHouse cannot be reached, refuses, or its answer was cut short: try again later."""


class ForeignMovementError(AssertionError):
    """A row came that was not asked for, of another account maybe: a bug, and never to be shown to anybody."""


@dataclass(frozen=True)
class MovementsSlice:
    """The movements of `account_id` with `from_micros <= occurred_at < to_micros` (UTC), and of the log `log_id` only those of
    its partition `log_partition` before `log_end_offset`. Movements that cost nothing are not among them."""

    account_id: str
    from_micros: int
    to_micros: int
    log_id: str
    log_partition: int
    log_end_offset: int


@dataclass(frozen=True)
class CardTotal:
    """What movements of one rate card add up to; a top-up's card is the one that gave the currency."""

    rate_card_id: str | None
    currency: str
    row_count: int
    nanos: int


@dataclass(frozen=True)
class SliceTotals:
    """Beside the rows of a slice: `opening_nanos`, the sum of all the account's movements before it and below the same end
    of the log; and the slice's own sums, as ClickHouse has them."""

    opening_nanos: int
    by_card: list[CardTotal]

    @property
    def row_count(self) -> int:
        """How many rows `stream_movements` will give: always the same number."""
        return sum(card.row_count for card in self.by_card)

    @property
    def nanos(self) -> int:
        return sum(card.nanos for card in self.by_card)


def read_totals(client: Client, wanted: MovementsSlice) -> SliceTotals:
    """How much there is, and what it adds up to. Raises MovementsUnavailableError."""
    parameters = vars(wanted)
    with outages_named():
        [[opening]] = client.query(_OPENING, parameters=parameters, settings=SETTINGS).result_rows
        cards = client.query(_BY_CARD, parameters=parameters, settings=SETTINGS).result_rows
    by_card = [CardTotal(card, currency, int(rows), int(nanos)) for card, currency, rows, nanos in cards]
    return SliceTotals(int(opening), by_card)


def stream_movements(
    client: Client, wanted: MovementsSlice, expected: int | None = None
) -> Generator[pl.DataFrame, None, None]:
    """Blocks by (`occurred_at`, `movement_id` as text), with the columns that `exporter.file.csv_file` takes.

    `client` serves one stream at a time. `expected` is the row count of `read_totals`, if they were read already. Raises
    MovementsUnavailableError, also at the end of a stream that was cut short, and ForeignMovementError.
    """
    if expected is None:
        expected = read_totals(client, wanted).row_count
    received = 0
    for block in _blocks(client, vars(wanted)):
        _check(block, wanted)
        received += len(block)
        yield block.drop(_ONLY_CHECKED)
    if received != expected:
        raise MovementsUnavailableError(f"ClickHouse sent {received} rows of {expected}")


def _check(block: pl.DataFrame, wanted: MovementsSlice) -> None:
    """Hold the rows themselves against what was asked for, whatever the question has become on its way."""
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


def _blocks(client: Client, parameters: dict[str, Any]) -> Iterator[pl.DataFrame]:
    return read_blocks(client, _SELECT, parameters, SETTINGS)


def read_blocks(
    client: Client, question: str, parameters: dict[str, Any], settings: dict[str, Any]
) -> Iterator[pl.DataFrame]:
    """The answer as it comes, with nothing to tell a short one by. Raises MovementsUnavailableError."""
    with (
        outages_named(),
        client.query_arrow_stream(question, parameters=parameters, settings=settings, use_strings=True) as stream,
    ):
        for batch in stream:
            block = pl.from_arrow(batch)
            assert isinstance(block, pl.DataFrame)
            yield block


@contextmanager
def outages_named() -> Iterator[None]:
    """Whatever a question can fail with is a MovementsUnavailableError of one line."""
    try:
        yield
    except (ClickHouseError, HTTPError, OSError, pa.ArrowInvalid) as error:
        raise MovementsUnavailableError(
            f"ClickHouse: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
