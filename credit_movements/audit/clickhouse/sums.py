"""Holds the sums of blocks against the movements that they add up, both in ClickHouse.

Each sum and each movement is weighed by a hash of all that tells sums apart. Weighed numbers may be added up in any order and
in any groups, modulo 2^64: so one pass over each gives two numbers that are equal if every single sum is right. Where they
are not, the wrong sums of that month and partition are looked for by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.slice import outages_named
from sinks.read.summed.grains import (
    ACCOUNT,
    BY_KEY,
    BY_QUARTER,
    DESTINATION,
    KIND_MICROS,
    QUARTER_MICROS,
    TOP_UP,
    USER,
)
from sinks.read.summed.reach import read_reach

_SETTINGS: Final = {
    **WHOLE_ANSWER,
    "optimize_move_to_prewhere_if_final": 0,
    "use_skip_indexes_if_final": 0,
    "do_not_merge_across_partitions_select_final": 1,
    "max_bytes_before_external_group_by": 1 << 30,
}
_MOST_EXAMPLES: Final = 5
_MICROS: Final = "toUnixTimestamp64Micro(occurred_at)"
_MONTHS: Final = "(toYYYYMM({time}) >= {{from_month:UInt32}} OR toYYYYMM({time}) IN {{months:Array(UInt32)}})"
_REACHED: Final = """
    log_id = {log_id:String} AND log_partition >= 0
    AND %s < arrayElement({reached:Array(Int64)}, log_partition + 1)
"""
# Users that were erased, or are about to be, may be there or not.
_KNOWN: Final = f"NOT (kind = '{USER}' AND (has({{erased:Array(String)}}, account_id) OR begin < {{kept_from:Int64}}))"
_OF_MOVEMENTS: Final = f"""
SELECT
    log_partition AS place,
    log_offset - modulo(log_offset, arrayElement({{sizes:Array(Int64)}}, log_partition + 1)) AS block,
    account_id AS account,
    {_MICROS} - positiveModulo({_MICROS}, %(micros)s) AS begin,
    each.1 AS kind,
    each.2 AS key,
    %(description)s AS type,
    %(card)s AS card,
    toString(currency) AS money,
    toInt128(1) AS counted,
    toInt128(if(unit != '', reinterpretAsInt64(credit_movement), 0)) AS charged,
    toInt128(if(unit = '' AND description = '{TOP_UP}', reinterpretAsInt64(credit_movement), 0)) AS topped_up,
    toInt128(if(unit = '' AND description != '{TOP_UP}', reinterpretAsInt64(credit_movement), 0)) AS adjusted
FROM credit_movements FINAL
ARRAY JOIN %(keys)s AS each
WHERE {_REACHED % "log_offset"} AND {_MONTHS.format(time="occurred_at")} AND (kind IN ('', '{ACCOUNT}') OR key != '')
  AND {_KNOWN}
"""
_OF_SUMS: Final = f"""
SELECT
    log_partition AS place,
    log_block AS block,
    account_id AS account,
    toUnixTimestamp64Micro(%(time)s) AS begin,
    %(kind)s AS kind,
    %(key)s AS key,
    %(description)s AS type,
    %(card)s AS card,
    toString(currency) AS money,
    toInt128(movements) AS counted,
    reinterpretAsInt128(charges) AS charged,
    reinterpretAsInt128(top_ups) AS topped_up,
    reinterpretAsInt128(adjustments) AS adjusted
FROM %(table)s FINAL
WHERE {_REACHED % "log_block"} AND {_MONTHS.replace("{time}", "%(time)s").replace("{{", "{").replace("}}", "}")}
  AND {_KNOWN}
"""
# The low 64 bits of each number: sums of them are right modulo 2^64.
_WEIGHED: Final = """
SELECT
    place,
    toYYYYMM(fromUnixTimestamp64Micro(begin, 'UTC')) AS month,
    toUInt64(sum(reinterpretAsUInt64(counted))) AS movements,
    sum(
        sipHash64(block, account, begin, kind, key, type, card, money) * (
            reinterpretAsUInt64(counted)
            + reinterpretAsUInt64(charged) * toUInt64(11400714819323198485)
            + reinterpretAsUInt64(topped_up) * toUInt64(13787848793156543929)
            + reinterpretAsUInt64(adjusted) * toUInt64(10723151780598845931)
        )
    ) AS weight
FROM ({rows})
GROUP BY place, month
"""
_WRONG: Final = """
SELECT
    block, account, fromUnixTimestamp64Micro(begin, 'UTC') AS since, kind, key, type, card, money,
    sumIf(counted, is_sum) AS summed, sumIf(counted, NOT is_sum) AS there,
    sumIf(charged + topped_up + adjusted, is_sum) AS summed_nanos,
    sumIf(charged + topped_up + adjusted, NOT is_sum) AS nanos_there
FROM (SELECT *, true AS is_sum FROM ({sums}) UNION ALL SELECT *, false AS is_sum FROM ({movements}))
WHERE place = {{place:Int32}} AND toYYYYMM(fromUnixTimestamp64Micro(begin, 'UTC')) = {{month:UInt32}}
GROUP BY block, account, begin, kind, key, type, card, money
HAVING summed != there OR summed_nanos != nanos_there
  OR sumIf(charged, is_sum) != sumIf(charged, NOT is_sum) OR sumIf(topped_up, is_sum) != sumIf(topped_up, NOT is_sum)
ORDER BY block, account, begin, kind, key, type, card, money
"""
_QUARTERS: Final = {
    "table": BY_QUARTER, "time": "quarter", "micros": QUARTER_MICROS, "kind": "''", "key": "''", "keys": "[('', '')]",
}  # fmt: skip
_KEYED: Final = {
    "table": BY_KEY, "time": "since", "kind": "toString(kind)", "key": "key",
    "micros": f"transform(kind, {list(KIND_MICROS)}, {list(KIND_MICROS.values())}, 0)",
    "keys": f"[('{ACCOUNT}', ''), ('{USER}', ifNull(user_id, '')), ('{DESTINATION}', ifNull(destination_prefix, ''))]",
}  # fmt: skip


@dataclass(frozen=True)
class WrongSum:
    """A sum of a block that is not what its movements add up to; `detail` says which, and how many movements either has."""

    partition: int
    block: int
    detail: str


@dataclass(frozen=True)
class SumsFound:
    """`movements`: so many were held against their sums. `wrong`: how many sums by partition, and the first of them."""

    movements: int
    wrong: dict[int, int]
    examples: list[WrongSum]


def check_sums(
    client: Client, log_id: str, from_month: int, months: Sequence[int], erased: Sequence[str], kept_from: int
) -> SumsFound:
    """Of the movements that occurred in the months from `from_month` (YYYYMM, UTC) on, and in `months`. Sums by user of the
    accounts `erased`, and of what occurred before `kept_from` (microseconds), are passed over. Raises
    MovementsUnavailableError."""
    with outages_named():
        reach = read_reach(client, log_id)
        if not reach:
            return SumsFound(0, {}, [])
        numbers = range(max(reach) + 1)
        parameters = {
            "log_id": log_id,
            "from_month": from_month,
            "months": list(months),
            "erased": list(erased),
            "kept_from": kept_from,
            "reached": [reach[number].reached if number in reach else 0 for number in numbers],
            "sizes": [reach[number].block_offsets if number in reach else 1 for number in numbers],
        }
        checked, wrong = 0, dict.fromkeys(reach, 0)
        examples: list[WrongSum] = []
        for grain in (_QUARTERS, _KEYED):
            sums, movements = _questions(grain)
            of_sums, of_movements = (_weighed(client, each, parameters) for each in (sums, movements))
            if grain is _QUARTERS:
                checked = sum(count for count, _ in of_movements.values())
            for place, month in sorted(of_sums.keys() | of_movements.keys()):
                if of_sums.get((place, month)) != of_movements.get((place, month)):
                    question = _WRONG.format(sums=sums, movements=movements)
                    found = client.query(
                        question, parameters=parameters | {"place": place, "month": month}, settings=_SETTINGS
                    ).result_rows
                    wrong[place] += len(found)
                    examples += [_example(place, row) for row in found[:_MOST_EXAMPLES]]
    return SumsFound(checked, {place: count for place, count in wrong.items() if count}, examples)


def _questions(grain: dict[str, Any]) -> tuple[str, str]:
    """For sums and for movements."""
    by_quarter = grain is _QUARTERS
    told = {"description": "toString(description)" if by_quarter else "''"}
    of_sums = grain | told | {"card": "rate_card_id" if by_quarter else "''"}
    of_movements = grain | told | {"card": "ifNull(rate_card_id, '')" if by_quarter else "''"}
    return _OF_SUMS % of_sums, _OF_MOVEMENTS % of_movements


def _weighed(client: Client, question: str, parameters: dict[str, Any]) -> dict[tuple[int, int], tuple[int, int]]:
    """Partition and month → how many movements, and the weight of all."""
    rows = client.query(_WEIGHED.format(rows=question), parameters=parameters, settings=_SETTINGS).result_rows
    return {(int(place), int(month)): (int(count), int(weight)) for place, month, count, weight in rows if count}


def _example(place: int, row: Sequence[Any]) -> WrongSum:
    block, account, since, kind, key, description, card, currency, summed, there, summed_nanos, nanos = row
    of = f"{kind} {key!r}" if kind else f"{description}, card {card!r}"
    told = f"the sum has {summed} movements of {summed_nanos} nanos, the ledger {there} of {nanos}"
    return WrongSum(place, int(block), f"account {account!r}, {since:%Y-%m-%d %H:%M} UTC, {of}, {currency}: {told}")
