"""Spending that is far outside an account's own past, by account, by user and by country: fraud shows there.

An hour is held against the same hour of the 28 days before, a day against these days. Days on which the account spent
nothing at all do not count: after a pause nothing else is usual. What is usual is their median, and how far they stray their
median absolute deviation: so a few days of fraud or of holidays in the past change little. All times are UTC. Of each
account, user and country at most one alert a day is raised, and of one movement at most one: of its user, else of its
country, else of the account. What a user or a country has explained is not told of the account once more. How many an
account is told on a day of the log is the judge's.
"""

from collections.abc import Iterator
from itertools import accumulate, islice
from typing import Final, NamedTuple

import numpy as np

from streams.alerts.judging.amounts import MOST_SPENT, spent_together
from streams.alerts.judging.buckets import DAYS_OF_PAST, MOST_DAYS_LATE, WHOLE_DAY, Buckets, bucket_codes
from streams.alerts.judging.rules import (
    ACCOUNT_SHARE,
    DEVIATIONS,
    FLOORS_OF_A_DAY,
    HOURS_OF_A_DAY,
    LEAST_DAYS_KNOWN,
    MEDIANS,
    QUIET_SHARE,
    SEVERAL,
)
from streams.events.sorted_keys import Ints, first_entries

_MICROS_OF_AN_HOUR: Final = 3_600_000_000
# Above all that can be spent: sorted, it lies behind the days that count.
_NO_DAY: Final = 2**62


# What says more comes first: who, where to, and the account alone.
OF_USER, OF_COUNTRY, OF_ACCOUNT = range(3)


class Spent(NamedTuple):
    """What was spent, by whom or where to; a charge has a row for its account, one for its user and one for its country.

    `slots`: the account's, or that of its user or country; `ranks`: which of them it is. `accounts`: the account's own
    slot. `rows`: of the charges, rising within each slot. `floors`: of an hour, by the account's rules.
    """

    slots: Ints
    ranks: Ints
    accounts: Ints
    rows: Ints
    occurred_at: Ints
    nanos: Ints
    floors: Ints
    known_since: Ints


class Unusual(NamedTuple):
    """One hour or day of one slot, and the row with which it became unusual. `until`: when it ends, in microseconds."""

    row: int
    rank: int
    slot: int
    account: int
    begin: int
    until: int
    spent: int
    usual: int
    threshold: int


class _Groups(NamedTuple):
    """Buckets to which something is added: their codes, where the rows of each begin among the sorted ones, where they end, how
    much they have afterwards and before, and how many charges they had before."""

    codes: Ints
    firsts: Ints
    ends: Ints
    after: Ints
    before: Ints
    count_before: Ints


def spend(buckets: Buckets, spent: Spent, today: int) -> list[Unusual]:
    """Add what was spent, and find what is unusual. All of it came on one day of the log, `today`."""
    hours = spent.occurred_at // _MICROS_OF_AN_HOUR
    days = hours // HOURS_OF_A_DAY
    on_time = np.flatnonzero(days >= today - MOST_DAYS_LATE)
    spent, hours, days = Spent(*(column[on_time] for column in spent)), hours[on_time], days[on_time]
    codes = bucket_codes(spent.slots, days, hours % HOURS_OF_A_DAY)
    order = np.argsort(codes, kind="stable")
    codes, spent, days = codes[order], Spent(*(column[order] for column in spent)), days[order]
    day_codes = bucket_codes(spent.slots, days, WHOLE_DAY)
    found: list[Unusual] = []
    both = [
        (_added(buckets, each, spent.nanos, today), factor)
        for each, factor in ((codes, 1), (day_codes, FLOORS_OF_A_DAY))
    ]
    for groups, factor in both:
        found += _unusual(buckets, groups, spent, days, factor, today)
    return _first_of_each_day(buckets, found)


def usual(
    buckets: Buckets, slots: Ints, accounts: Ints, days: Ints, parts: Ints, days_known: Ints, today: int
) -> tuple[Ints, Ints]:
    """The median of the like parts of the days before each of these days, and their median absolute deviation (the lower ones
    of two), 0 where none counts. `days_known`: how many of them are known, 1 at least. `accounts`: whose slots these are."""
    back = np.arange(1, DAYS_OF_PAST + 1)
    spent, of_account = (
        buckets.before(past.ravel(), today).reshape(past.shape)
        for past in (
            bucket_codes(slots[:, None], days[:, None] - back, parts[:, None]),
            bucket_codes(accounts[:, None], days[:, None] - back, WHOLE_DAY),
        )
    )
    counts = (back <= days_known[:, None]) & (of_account > 0)
    number = counts.sum(axis=1)
    middles = (np.maximum(number, 1) - 1)[:, None] // 2
    medians = np.where(number, _middle(np.where(counts, spent, _NO_DAY), middles), 0)
    deviations = _middle(np.where(counts, np.abs(spent - medians[:, None]), _NO_DAY), middles)
    return medians, np.where(number, deviations, 0)


def _middle(values: np.ndarray[tuple[int, int], np.dtype[np.int64]], middles: Ints) -> Ints:
    found: Ints = np.take_along_axis(np.sort(values, axis=1), middles, axis=1)[:, 0]
    return found


def _added(buckets: Buckets, codes: Ints, nanos: Ints, today: int) -> _Groups:
    # The hours of a day lie together, so these are sorted by the day's code too.
    firsts = np.flatnonzero(first_entries(codes))
    ends = np.append(firsts[1:], len(codes))
    total = spent_together(nanos, firsts)
    before, count_before = buckets.add(codes[firsts], total, ends - firsts, today)
    return _Groups(codes[firsts], firsts, ends, np.minimum(before + total, MOST_SPENT), before, count_before)


def _unusual(buckets: Buckets, groups: _Groups, spent: Spent, days: Ints, factor: int, today: int) -> list[Unusual]:
    rows = groups.firsts
    if not len(rows):
        return []
    # An account's rules may change within an hour: this is the least that any row needs.
    least = np.minimum.reduceat(spent.floors, rows) * factor
    are_several = groups.count_before + groups.ends - groups.firsts >= SEVERAL
    least = np.where(are_several, least // QUIET_SHARE, least)
    days_known = days[rows] - spent.known_since[rows]
    day_codes = bucket_codes(spent.slots[rows], days[rows], WHOLE_DAY)
    # Most are below the floor, and need not be held against their past.
    hot = np.flatnonzero((groups.after > least) & (days_known >= LEAST_DAYS_KNOWN) & ~buckets.are_told(day_codes))
    if not len(hot):
        return []
    rows, days_known, parts = rows[hot], days_known[hot], groups.codes[hot] & 31
    slots, accounts = spent.slots[rows], spent.accounts[rows]
    medians, deviations = usual(buckets, slots, accounts, days[rows], parts, days_known, today)
    of_account, _ = usual(buckets, accounts, accounts, days[rows], parts, days_known, today)
    is_part = slots != accounts
    strays = np.maximum(deviations * DEVIATIONS, medians * MEDIANS)
    strays = np.where(is_part, np.maximum(strays, of_account // ACCOUNT_SHARE), strays)
    least = np.where(are_several[hot] & (medians != 0), least[hot] * QUIET_SHARE, least[hot])
    found: list[Unusual] = []
    # Nearly all of these are told, and once a day: so they are few.
    for at in np.flatnonzero(groups.after[hot] > medians + np.maximum(strays, least)):
        past = int(medians[at]), int(strays[at])
        found += _crossed(groups, int(hot[at]), spent, days, factor, past, int(parts[at]))
    return found


def _crossed(
    groups: _Groups, group: int, spent: Spent, days: Ints, factor: int, past: tuple[int, int], part: int
) -> Iterator[Unusual]:
    """The first row with which it is unusual, if there is one. `past`: the median of like parts, and how far above it is still
    usual."""
    median, strays = past
    first, end = int(groups.firsts[group]), int(groups.ends[group])
    # Of a day they lie hour by hour.
    stretch = first + np.argsort(spent.rows[first:end], kind="stable")
    counts = int(groups.count_before[group]) + np.arange(1, len(stretch) + 1)
    floors = spent.floors[stretch] * factor
    floors = np.where((counts >= SEVERAL) & (median == 0), floors // QUIET_SHARE, floors)
    thresholds = median + np.maximum(strays, floors)
    sums = islice(accumulate(spent.nanos[stretch].tolist(), initial=int(groups.before[group])), 1, None)
    # One that was above a lower threshold already is told with its next movement.
    above = ((number, total) for number, total in enumerate(sums) if total > thresholds[number])
    for number, total in islice(above, 1):
        is_day = part == WHOLE_DAY
        hour = int(days[first]) * HOURS_OF_A_DAY + (0 if is_day else part)
        begin = hour * _MICROS_OF_AN_HOUR
        until = begin + (HOURS_OF_A_DAY if is_day else 1) * _MICROS_OF_AN_HOUR
        rank, slot, account = (int(column[first]) for column in (spent.ranks, spent.slots, spent.accounts))
        row, threshold = int(spent.rows[stretch[number]]), int(thresholds[number])
        yield Unusual(row, rank, slot, account, begin, until, min(total, MOST_SPENT), median, threshold)


def _first_of_each_day(buckets: Buckets, found: list[Unusual]) -> list[Unusual]:
    """Of each slot and day the one that came first; of an hour and its day the hour, which says more."""
    told: list[Unusual] = []
    for each in sorted(found, key=lambda one: (one.row, one.rank, one.until - one.begin)):
        own, of_account = (_day_code(slot, each.begin) for slot in (each.slot, each.account))
        if buckets.are_told(own)[0]:
            continue
        buckets.tell(own)
        if not told or told[-1].row != each.row:
            told.append(each)
            buckets.tell(of_account)
    return told


def _day_code(slot: int, at: int) -> Ints:
    day = at // _MICROS_OF_AN_HOUR // HOURS_OF_A_DAY
    return bucket_codes(np.array([slot]), np.array([day]), WHOLE_DAY)
