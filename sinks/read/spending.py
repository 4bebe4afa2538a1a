"""Where an account's credit went: what its movements of a period add up to, by day, description, user and so on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

from sinks.read.slice import outages_named
from sinks.read.summed.grains import ACCOUNT, CARD, DAY, DESCRIPTION, DESTINATION, HOUR, QUARTER_MICROS, USER
from sinks.read.summed.parts import MOVEMENTS, QUARTERS, SUM_SETTINGS, SUMMED_UP, Grain, Wanted, keyed, rows
from sinks.read.summed.reach import summed

# More than 13 months of days or hours.
MOST_PERIODS: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROS: Final = {DAY: 86_400 * 10**6, HOUR: 3600 * 10**6}
_PERIODS: Final = {DAY: "%Y-%m-%d", HOUR: "%Y-%m-%dT%H:00:00%:z"}
_COLUMNS: Final = {DESCRIPTION: "description_text", CARD: "card", USER: USER, DESTINATION: DESTINATION}
_QUESTION: Final = """
SELECT tuple({keys}) AS keys, currency_text, {summed_up}
FROM ({rows})
{where}
GROUP BY keys, currency_text
HAVING count_of_movements != 0
ORDER BY keys, currency_text
"""


class TooManyPeriodsError(ValueError):
    """The period has more days or hours than MOST_PERIODS."""


def spending(
    client: Client,
    account_id: str,
    start: datetime,
    end: datetime,
    by: Sequence[str],
    time_zone: str = "UTC",
    only: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The sums of the movements with `start <= occurred_at < end`: a row for each `key`, in the order of the keys, and
    currency.

    A row has `key` (a tuple: what it is by each of `by`, names of BY), `currency`, `movements` (how many), and `charges` (<=
    0), `top_ups`, `adjustments` and `net` (Decimal, nine decimals). Days and hours are those of the IANA zone `time_zone`;
    `key` has None for movements without a user, destination or card. A destination is the prefix of the rate that was
    applied. `only`: of the movements that have these alone (name of BY but DAY and HOUR → key).

    From sums of blocks, so it takes no longer where the history is long, but where users or destinations are asked for along
    with anything else: then the period's movements are added up. Raises TooManyPeriodsError, MovementsUnavailableError.
    """
    only = only or {}
    first, last = (_instant(each) for each in (start, end))
    period = next((each for each in by if each in _PERIODS), None)
    begins, names, are_whole_hours = _periods(first, last, time_zone, period)
    with outages_named():
        wanted = Wanted(account_id, first, last, summed(client, account_id))
        asked = rows(_grain({*by, *only}, are_whole_hours), wanted)
        question = _QUESTION.format(
            keys=", ".join(_key(each, are_whole_hours) for each in by),
            summed_up=SUMMED_UP,
            rows=asked.question,
            where=" AND ".join(["WHERE true", *(f"{_COLUMNS[name]} = {{only_{name}:String}}" for name in only)]),
        )
        # Hours of UTC need no list, which may be long.
        needed = begins[:1] if period == HOUR and are_whole_hours else begins
        parameters = asked.parameters | {"begins": needed} | {f"only_{name}": key for name, key in only.items()}
        found = client.query(question, parameters=parameters, settings=SUM_SETTINGS).result_rows
    return [
        {
            "key": tuple(
                names[int(key)] if each in _PERIODS else key or None for each, key in zip(by, keys, strict=True)
            ),
            "currency": currency,
            "movements": int(count),
            "charges": charges,
            "top_ups": top_ups,
            "adjustments": adjustments,
            "net": charges + top_ups + adjustments,
        }
        for keys, currency, count, charges, top_ups, adjustments in found
    ]


def _grain(told_apart: set[str], are_whole_hours: bool) -> Grain:
    if told_apart <= {DAY, HOUR} and are_whole_hours:
        # Fewer than those by quarter, description and card.
        return keyed(ACCOUNT)
    if not told_apart & {USER, DESTINATION}:
        return QUARTERS
    return keyed(*told_apart) if len(told_apart) == 1 else MOVEMENTS


def _key(by: str, are_whole_hours: bool) -> str:
    if by == HOUR and are_whole_hours:
        return f"at - positiveModulo(at, {_MICROS[HOUR]})"
    # The beginning of the day or hour, by the zone's rules as the exported file has them.
    return "roundDown(at, {begins:Array(Int64)})" if by in _PERIODS else _COLUMNS[by]


def _periods(first: int, last: int, time_zone: str, period: str | None) -> tuple[list[int], dict[int, str], bool]:
    """When the period's days or hours begin, what each is called, and whether all begin with hours of UTC. The first day may
    begin within one."""
    if period is None or first >= last:
        return [0], {0: ""}, True
    if last - first > MOST_PERIODS * _MICROS[period]:
        raise TooManyPeriodsError(f"more than {MOST_PERIODS:,} {period}s are asked for")
    quarters = pl.int_range(first - first % QUARTER_MICROS, last, QUARTER_MICROS, eager=True)
    local = quarters.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(time_zone)
    ahead = local.dt.base_utc_offset() + local.dt.dst_offset()
    called = pl.DataFrame({"begin": quarters, "at": local, DAY: local.dt.date(), HOUR: local.dt.hour(), "ahead": ahead})
    # Where clocks are set back, an hour comes twice.
    told_apart = pl.struct(DAY if period == DAY else (HOUR, "ahead"))
    each = called.filter(told_apart.rle_id().is_first_distinct())
    begins = each["begin"].to_list()
    are_whole_hours = bool((ahead.dt.total_seconds() % 3600 == 0).all())
    if period == HOUR and are_whole_hours:
        begins[0] -= begins[0] % _MICROS[HOUR]
    return begins, dict(zip(begins, each["at"].dt.strftime(_PERIODS[period]), strict=True)), are_whole_hours


def _instant(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
