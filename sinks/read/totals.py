"""Asks ClickHouse what a slice of movements adds up to, and what the balance before it was.

The balance before it comes from the sums of blocks, where they can be sure: then none but the slice's own period is read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from sinks.read.slice import SETTINGS, MovementsSlice, outages_named
from sinks.read.summed.grains import ACCOUNT
from sinks.read.summed.parts import SUM_SETTINGS, Wanted, keyed, rows
from sinks.read.summed.reach import Summed, read_reach, with_other_movements

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
      AND occurred_at >= fromUnixTimestamp64Micro({{begin_micros:Int64}}, 'UTC')
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
# Of one slice: what happened before it, of the movements that lie before its end in the log.
_OPENING: Final = (
    "SELECT {number} AS slice_number, sum(charged) + sum(topped_up) + sum(adjusted) AS amount FROM ({rows})"
)
_NANOS_DIGITS: Final = 9
# As early as ClickHouse can store a time.
_EVER_MICROS: Final = -2_208_988_800_000_000


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
    """The same for many slices, in a few questions for those of different accounts."""
    slices = list({each.account_id: each for each in wanted}.values())
    if not slices:
        return {}
    with outages_named():
        places = _summed(client, slices)
        with_sums = [each for each in slices if each.account_id in places]
        without = [each for each in slices if each.account_id not in places]
        totals = _added_up(client, without, _EVER_MICROS) if without else {}
        if with_sums:
            openings = _openings(client, with_sums, places)
            since = _added_up(client, with_sums, min(each.from_micros for each in with_sums))
            totals |= {each: SliceTotals(openings[each], since[each].by_card) for each in with_sums}
    return totals | read_all_totals(client, [each for each in wanted if each not in totals])


def _summed(client: Client, slices: Sequence[MovementsSlice]) -> dict[str, Summed]:
    """By account: which movements of a slice are in the sums; without the accounts that have none, or others too."""
    reach = {log_id: read_reach(client, log_id) for log_id in {each.log_id for each in slices}}
    places = {}
    for each in slices:
        of_partition = reach[each.log_id].get(each.log_partition)
        until = 0 if of_partition is None else of_partition.below(each.log_end_offset)
        if until > 0:
            places[each.account_id] = Summed(each.log_id, each.log_partition, until)
    others = with_other_movements(client, places)
    return {account_id: place for account_id, place in places.items() if account_id not in others}


def _openings(
    client: Client, slices: Sequence[MovementsSlice], places: Mapping[str, Summed]
) -> dict[MovementsSlice, int]:
    questions: list[str] = []
    parameters: dict[str, Any] = {}
    for number, each in enumerate(slices):
        before = Wanted(
            each.account_id,
            to_micros=each.from_micros,
            summed=places[each.account_id],
            end_offset=each.log_end_offset,
        )
        asked = rows(keyed(ACCOUNT), before, number)
        questions.append(_OPENING.format(number=number, rows=asked.question))
        parameters |= asked.parameters
    answers = client.query(" UNION ALL ".join(questions), parameters=parameters, settings=SUM_SETTINGS).result_rows
    return {slices[number]: int(amount.scaleb(_NANOS_DIGITS)) for number, amount in answers}


def _added_up(client: Client, slices: Sequence[MovementsSlice], begin_micros: int) -> dict[MovementsSlice, SliceTotals]:
    """By ClickHouse, of the movements from `begin_micros` on; so is what comes before a slice."""
    parameters = {field.name: [getattr(each, field.name) for each in slices] for field in fields(MovementsSlice)}
    # Looking up the account of each row is a fifth of what a large slice costs, and one slice needs no look-up.
    question = _BY_CARD if len(slices) > 1 else _BY_CARD.replace(_SLICE_NUMBER, "1")
    answers = client.query(
        question, parameters=parameters | {"begin_micros": begin_micros}, settings=SETTINGS
    ).result_rows
    by_slice: dict[int, list[Sequence[Any]]] = {number: [] for number in range(1, len(slices) + 1)}
    for number, *card in answers:
        by_slice[number].append(card)
    return {each: _slice_totals(cards) for each, cards in zip(slices, by_slice.values(), strict=True)}


def _slice_totals(cards: list[Sequence[Any]]) -> SliceTotals:
    by_card = [CardTotal(card, currency, int(rows), int(nanos)) for card, currency, rows, nanos, _ in cards if rows]
    return SliceTotals(sum(int(before) for *_, before in cards), by_card)
