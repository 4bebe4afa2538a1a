"""Asks ClickHouse what a slice of movements adds up to, and what the balance before it was."""

from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.slice import ROWS_OF_SLICE, SETTINGS, MovementsSlice, outages_named

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


@dataclass(frozen=True)
class CardTotal:
    """The sum of the movements of one rate card. A top-up belongs to the card that gave it its currency."""

    rate_card_id: str | None
    currency: str
    row_count: int
    nanos: int


@dataclass(frozen=True)
class SliceTotals:
    """`by_card`: the sums of the slice, by ClickHouse. `opening_nanos`: the sum of all the account's movements before the slice
    and below the same end of the log."""

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
    """Count and add up the slice. Raises MovementsUnavailableError."""
    parameters = vars(wanted)
    with outages_named():
        [[opening]] = client.query(_OPENING, parameters=parameters, settings=SETTINGS).result_rows
        cards = client.query(_BY_CARD, parameters=parameters, settings=SETTINGS).result_rows
    by_card = [CardTotal(card, currency, int(rows), int(nanos)) for card, currency, rows, nanos in cards]
    return SliceTotals(int(opening), by_card)
