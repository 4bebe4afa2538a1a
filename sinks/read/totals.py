"""Asks ClickHouse what a slice of movements adds up to, and what the balance before it was."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from sinks.read.slice import SETTINGS, MovementsSlice, outages_named

# 128 bits wide: a sum of 64 bits wraps without a word.
_NANOS: Final = "toInt128(reinterpretAsInt64(credit_movement))"
_IN_SLICE: Final = "is_in_period AND credit_movement != 0"
_SLICE_NUMBER: Final = "indexOf({account_id:Array(String)}, account_id)"
# The slices are of different accounts, so the account says which slice a row belongs to; of the others there is none. PREWHERE:
# see `slice`.
_BY_CARD: Final = f"""
SELECT
    slice_number,
    rate_card_id,
    toString(currency) AS currency_code,
    countIf({_IN_SLICE}) AS row_count,
    toString(sumIf({_NANOS}, {_IN_SLICE})) AS nanos,
    toString(sumIf({_NANOS}, NOT is_in_period)) AS nanos_before
FROM (
    SELECT
        *,
        {_SLICE_NUMBER} AS slice_number,
        occurred_at >= fromUnixTimestamp64Micro({{from_micros:Array(Int64)}}[slice_number], 'UTC') AS is_in_period
    FROM credit_movements FINAL
    PREWHERE account_id IN {{account_id:Array(String)}}
    WHERE occurred_at < fromUnixTimestamp64Micro({{to_micros:Array(Int64)}}[slice_number], 'UTC')
      AND (
        log_id != {{log_id:Array(String)}}[slice_number]
        OR (
            log_partition = {{log_partition:Array(Int32)}}[slice_number]
            AND log_offset < {{log_end_offset:Array(Int64)}}[slice_number]
        )
      )
)
GROUP BY slice_number, rate_card_id, currency_code
ORDER BY slice_number, rate_card_id, currency_code
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
    return read_all_totals(client, [wanted])[wanted]


def read_all_totals(client: Client, wanted: Collection[MovementsSlice]) -> dict[MovementsSlice, SliceTotals]:
    """The same for many slices, in one question for those of different accounts."""
    slices = list({each.account_id: each for each in wanted}.values())
    if not slices:
        return {}
    parameters = {field.name: [getattr(each, field.name) for each in slices] for field in fields(MovementsSlice)}
    # Looking up the account of each row is a fifth of what a large slice costs, and one slice needs no look-up.
    question = _BY_CARD if len(slices) > 1 else _BY_CARD.replace(_SLICE_NUMBER, "1")
    with outages_named():
        rows = client.query(question, parameters=parameters, settings=SETTINGS).result_rows
    by_slice: dict[int, list[Sequence[Any]]] = {number: [] for number in range(1, len(slices) + 1)}
    for number, *card in rows:
        by_slice[number].append(card)
    totals = {each: _slice_totals(cards) for each, cards in zip(slices, by_slice.values(), strict=True)}
    return totals | read_all_totals(client, [each for each in wanted if each not in totals])


def _slice_totals(cards: list[Sequence[Any]]) -> SliceTotals:
    by_card = [CardTotal(card, currency, int(rows), int(nanos)) for card, currency, rows, nanos, _ in cards if rows]
    return SliceTotals(sum(int(before) for *_, before in cards), by_card)
