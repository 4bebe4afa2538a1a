"""Asks ClickHouse what a slice of movements adds up to, and what the balance before it was."""

from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.slice import SETTINGS, MovementsSlice, outages_named

# 128 bits wide: a sum of 64 bits wraps without a word.
_NANOS: Final = "toInt128(reinterpretAsInt64(credit_movement))"
_IN_SLICE: Final = "is_in_period AND credit_movement != 0"
# PREWHERE: see `slice`.
_BY_CARD: Final = f"""
SELECT
    rate_card_id,
    toString(currency) AS currency_code,
    countIf({_IN_SLICE}) AS row_count,
    toString(sumIf({_NANOS}, {_IN_SLICE})) AS nanos,
    toString(sumIf({_NANOS}, NOT is_in_period)) AS nanos_before
FROM (
    SELECT *, occurred_at >= fromUnixTimestamp64Micro({{from_micros:Int64}}, 'UTC') AS is_in_period
    FROM credit_movements FINAL
    PREWHERE account_id = {{account_id:String}}
      AND occurred_at < fromUnixTimestamp64Micro({{to_micros:Int64}}, 'UTC')
    WHERE (log_id != {{log_id:String}} OR (log_partition = {{log_partition:Int32}} AND log_offset < {{log_end_offset:Int64}}))
)
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
    """Count and add up the slice, and what came before it. Raises MovementsUnavailableError."""
    with outages_named():
        cards = client.query(_BY_CARD, parameters=vars(wanted), settings=SETTINGS).result_rows
    by_card = [CardTotal(card, currency, int(rows), int(nanos)) for card, currency, rows, nanos, _ in cards if rows]
    return SliceTotals(sum(int(before) for *_, before in cards), by_card)
