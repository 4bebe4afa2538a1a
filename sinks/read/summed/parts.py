"""The rows that add up to what an account's movements of a period add up to: sums where there are some, movements for the rest.

1. Sums: of whole quarters, hours or days within the period, of blocks below the end of what is summed.
2. The period's two ends, where it cuts one of these: movements of these blocks.
3. The tail: movements behind these blocks. The index over places in the log finds them, however long the account's history is.
   FINAL would not use it, so a row that was written twice is counted once by its key.

Where nothing is summed all are movements, and FINAL counts them. Each question has one result, so its parts fit each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sinks.read.consistency import WHOLE_ANSWER
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
from sinks.read.summed.reach import Summed

SUM_SETTINGS: Final = {
    **WHOLE_ANSWER,
    # As in `slice`: under FINAL, filtering before rows are merged brings superseded rows back.
    "optimize_move_to_prewhere_if_final": 0,
    "use_skip_indexes_if_final": 0,
    # All versions of a row, of movements and of sums, are in one month.
    "do_not_merge_across_partitions_select_final": 1,
}
# Every row has `at` (microseconds), the columns of its grain, and these. None is called as a column of a table: ClickHouse
# would take it for the column wherever it stands.
SUMMED_UP: Final = """
    sum(counted) AS count_of_movements,
    sum(charged) AS sum_of_charges,
    sum(topped_up) AS sum_of_top_ups,
    sum(adjusted) AS sum_of_adjustments
"""
_KEYS: Final = {ACCOUNT: "''", USER: "ifNull(user_id, '')", DESTINATION: "ifNull(destination_prefix, '')"}
_CURRENCY: Final = "toString(currency)"
_DESCRIPTION: Final = "toString(description)"
_CARD: Final = "ifNull(rate_card_id, '')"
_NOTHING: Final = "toDecimal128(0, 9)"
_AMOUNT: Final = "toDecimal128(credit_movement, 9)"
_OF_MOVEMENT: Final = f"""
    toInt64(1) AS counted,
    if(unit != '', {_AMOUNT}, {_NOTHING}) AS charged,
    if(unit = '' AND description = '{TOP_UP}', {_AMOUNT}, {_NOTHING}) AS topped_up,
    if(unit = '' AND description != '{TOP_UP}', {_AMOUNT}, {_NOTHING}) AS adjusted,
    occurred_at AS newest
"""
_OF_SUMS: Final = """
    toInt64(movements) AS counted,
    charges AS charged,
    top_ups AS topped_up,
    adjustments AS adjusted,
    newest_at AS newest
"""
_IN_SUMS: Final = {ACCOUNT: "''", "description_text": _DESCRIPTION, "card": "rate_card_id", "currency_text": _CURRENCY}
# What has a key is taken off the account's sum: the rest is what has none. Nobody asks when it was.
_OF_KEYS: Final = f"""
    SELECT toInt64(0) AS at, %s, of_all * each.2 AS counted, of_charges * each.2 AS charged,
        of_top_ups * each.2 AS topped_up, of_adjustments * each.2 AS adjusted, newest
    FROM (
        SELECT kind, key, {_CURRENCY} AS money, toInt64(sum(movements)) AS of_all, sum(charges) AS of_charges,
            sum(top_ups) AS of_top_ups, sum(adjustments) AS of_adjustments, max(newest_at) AS newest
        FROM {BY_KEY} FINAL %s
        GROUP BY kind, key, money
    )
    ARRAY JOIN if(kind = '{ACCOUNT}', [('', 1)], [(key, 1), ('', -1)]) AS each
"""
# The index over places in the log may be used where FINAL is not; prewhere conditions are on columns of the tables' keys alone.
_ONCE: Final = "LIMIT 1 BY occurred_at, movement_id"


@dataclass(frozen=True)
class Grain:
    """A table of sums and how its rows are told apart. `columns`: the name of each column of a question → what it is in the
    ledger. `table` None: nothing is summed so finely."""

    columns: Mapping[str, str]
    table: str | None = None
    micros: int = 1
    kinds: tuple[str, ...] = ()


QUARTERS: Final = Grain(
    {"description_text": _DESCRIPTION, "card": _CARD, "currency_text": _CURRENCY}, BY_QUARTER, QUARTER_MICROS
)
MOVEMENTS: Final = Grain({**QUARTERS.columns, USER: _KEYS[USER], DESTINATION: _KEYS[DESTINATION]})


def keyed(kind: str) -> Grain:
    """By users, by destinations, or the account as a whole, whose key is ''. So is that of movements without a key."""
    kinds = tuple(dict.fromkeys((ACCOUNT, kind)))
    return Grain({kind: _KEYS[kind], "currency_text": _CURRENCY}, BY_KEY, KIND_MICROS[kind], kinds)


@dataclass(frozen=True)
class Wanted:
    """The movements of `account_id` with `from_micros <= occurred_at < to_micros` (None: no bound), and of them those below
    `end_offset` of the log. `summed`: which of the account's movements are in the sums; None: none, and then there must be no
    `end_offset`."""

    account_id: str
    from_micros: int | None = None
    to_micros: int | None = None
    summed: Summed | None = None
    end_offset: int | None = None


@dataclass(frozen=True)
class Rows:
    """A question for rows, to be put into brackets, and its parameters."""

    question: str
    parameters: dict[str, Any] = field(default_factory=dict)


def rows(grain: Grain, wanted: Wanted, number: int = 0) -> Rows:
    """The rows that add up to what is `wanted`. `number` tells the parameters of several questions in one apart."""
    names = {
        each: f"{each}_{number}" for each in ("account", "from", "to", "begin", "end", "log", "place", "until", "tail")
    }
    first, last = wanted.from_micros, wanted.to_micros
    parameters: dict[str, Any] = {names["account"]: wanted.account_id, names["from"]: first, names["to"]: last}
    if wanted.summed is None or grain.table is None:
        questions = [_movements(grain, names, "FINAL", _within(names, "occurred_at", first, last))]
    else:
        begin = None if first is None else -(-first // grain.micros) * grain.micros
        end = None if last is None else last - last % grain.micros
        parameters |= {
            names["begin"]: begin, names["end"]: end, names["log"]: wanted.summed.log_id,
            names["place"]: wanted.summed.log_partition, names["until"]: wanted.summed.until, names["tail"]: wanted.end_offset,
        }  # fmt: skip
        questions = [*_summed(grain, names, wanted, begin, end), _tail(grain, names, wanted)]
    given = {name: value for name, value in parameters.items() if value is not None}
    return Rows(" UNION ALL ".join(questions), given)


def _summed(grain: Grain, names: dict[str, str], wanted: Wanted, begin: int | None, end: int | None) -> Iterator[str]:
    first, last = wanted.from_micros, wanted.to_micros
    below = f"WHERE log_offset < {{{names['until']}:Int64}}"
    if begin is not None and end is not None and begin >= end:
        yield _movements(grain, names, "FINAL", _within(names, "occurred_at", first, last), below)
        return
    yield _sums(grain, names, begin, end)
    if begin != first:
        yield _movements(grain, names, "FINAL", _between(names, "from", "begin"), below)
    if end != last:
        yield _movements(grain, names, "FINAL", _between(names, "end", "to"), below)


def _sums(grain: Grain, names: dict[str, str], begin: int | None, end: int | None) -> str:
    time = "since" if grain.kinds else "quarter"
    within = [f"account_id = {{{names['account']}:String}}", f"log_id = {{{names['log']}:String}}"]
    within += [f"log_partition = {{{names['place']}:Int32}}", f"log_block < {{{names['until']}:Int64}}"]
    if begin is not None:
        within.append(f"{time} >= {_instant(names['begin'])}")
    if end is not None:
        within.append(f"{time} < {_instant(names['end'])}")
    if grain.kinds:
        within.append("(" + " OR ".join(f"kind = '{kind}'" for kind in grain.kinds) + ")")
    if len(grain.kinds) > 1:
        columns = ", ".join(f"{'money' if name == 'currency_text' else 'each.1'} AS {name}" for name in grain.columns)
        return _OF_KEYS % (columns, "PREWHERE " + " AND ".join(within))
    columns = ", ".join(f"{_IN_SUMS[name]} AS {name}" for name in grain.columns)
    return f"""
    SELECT toUnixTimestamp64Micro({time}) AS at, {columns}, {_OF_SUMS}
    FROM {grain.table} FINAL
    PREWHERE {" AND ".join(within)}
    """


def _tail(grain: Grain, names: dict[str, str], wanted: Wanted) -> str:
    within = _within(names, "occurred_at", wanted.from_micros, wanted.to_micros)
    behind = f" AND log_offset >= {{{names['until']}:Int64}}"
    if wanted.end_offset is not None:
        behind += f" AND log_offset < {{{names['tail']}:Int64}}"
    return f"""
    SELECT {_columns(grain)} FROM (
        SELECT * FROM credit_movements WHERE account_id = {{{names["account"]}:String}}{within}{behind} {_ONCE}
    )
    """


def _movements(grain: Grain, names: dict[str, str], final: str, within: str, where: str = "") -> str:
    return f"""
    SELECT {_columns(grain)} FROM credit_movements {final}
    PREWHERE account_id = {{{names["account"]}:String}}{within}
    {where}
    """


def _columns(grain: Grain) -> str:
    columns = ", ".join(f"{expression} AS {name}" for name, expression in grain.columns.items())
    return f"toUnixTimestamp64Micro(occurred_at) AS at, {columns}, {_OF_MOVEMENT}"


def _within(names: dict[str, str], time: str, first: int | None, last: int | None) -> str:
    begin = "" if first is None else f" AND {time} >= {_instant(names['from'])}"
    return begin + ("" if last is None else f" AND {time} < {_instant(names['to'])}")


def _between(names: dict[str, str], first: str, last: str) -> str:
    return f" AND occurred_at >= {_instant(names[first])} AND occurred_at < {_instant(names[last])}"


def _instant(name: str) -> str:
    return f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"
