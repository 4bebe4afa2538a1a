"""The judge of batches, held against one that takes one movement at a time."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alerts.judging.alerts import Alert, AlertKind
from streams.alerts.judging.facts import Facts
from streams.alerts.judging.judge import Judge
from streams.alerts.judging.rules import Rules
from streams.alerts.judging.settings import AccountSettings
from tests.integration.records import minute as movement_of
from tests.integration.records import movements_table
from tests.unit.streams.alerts.judging.plain_judge import HOUR, PlainJudge

UNIT = 10**9
DAY = 24 * HOUR
FIRST_DAY = 20_000
RULES = Rules(low_balance_nanos=10 * UNIT, empty_soon_hours=24, unusual_nanos=20 * UNIT)


def movement(number: int, day: int, hour: int, nanos: int, **fields: Any) -> dict[str, Any]:
    """A movement of that hour, `day` days after the first one."""
    return movement_of(
        movement_id=f"00000000-0000-4000-8000-{number:012x}",
        occurred_at=(FIRST_DAY + day) * DAY + hour * HOUR + number,
        credit_movement_nanos=nanos,
        **({"description": "call", "unit": "seconds"} if nanos < 0 else {"description": "top-up", "unit": ""}) | fields,
    )


def judged(
    judge: Judge,
    movements: list[dict[str, Any]],
    cuts: list[int] = [],  # noqa: B006 - only read
    own: list[dict[str, Any]] | None = None,
) -> list[Alert]:
    """The alerts of movements that lie at offsets 0, 1, 2 and so on, taken in batches that end at `cuts`."""
    alerts = []
    ends = [*sorted(cut for cut in cuts if cut < len(movements)), len(movements)]
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        if begin < end:
            facts = facts_of(movements[begin:end], begin, settings_of(own))
            alerts += judge.judge(facts)
    return alerts


def facts_of(movements: list[dict[str, Any]], first: int, own: AccountSettings) -> Facts:
    offsets = np.arange(first, first + len(movements))
    return Facts.read(movements_table(movements), offsets, offsets * 1000, own)


def settings_of(records: list[dict[str, Any]] | None) -> AccountSettings:
    own = AccountSettings(RULES)
    if records:
        own.put(pl.DataFrame(records))
    return own


def plainly(alerts: list[Alert]) -> list[tuple[Any, ...]]:
    return [
        (
            each.offset, each.kind.value, each.account_id, each.subject, each.window_from, each.window_to,
            each.balance_nanos if each.spent_nanos is None else each.spent_nanos, each.usual_nanos, each.threshold_nanos,
        )
        for each in alerts
    ]  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some weeks of two accounts, mostly in the order of time, with late movements among them."""
    made = []
    day = 0
    for number in range(draw(st.integers(1, 50))):
        day += draw(st.sampled_from([0, 0, 0, 0, 1, 1, 3]))
        late = draw(st.sampled_from([0, 0, 0, 0, 1, 2, 40]))
        nanos = draw(st.sampled_from([-1, -5, -15, -25, -80, -900, 12, 40, 500, 2_000, -(10**9) + 1])) * UNIT
        made.append(
            movement(
                number,
                day - late,
                draw(st.sampled_from([2, 10])),
                nanos,
                account_id=draw(st.sampled_from(["acme", "other"])),
                currency=draw(st.sampled_from(["EUR", "EUR", "USD"])),
                user_id=draw(st.sampled_from([None, "anna"])),
                destination=draw(st.sampled_from([None, "+491511234", "+339876"])),
                # An old usage type may be called as an adjustment is; only the unit tells them apart.
                **({"description": "refund", "unit": draw(st.sampled_from(["seconds", ""]))} if nanos < 0 else {}),
            )
        )
    return made


# In the middle of an hour, and of a batch.
CHANGED_AT = (FIRST_DAY + 9) * DAY + 10 * HOUR + 25
OWN = [
    {"account_id": "acme", "low_balance_nanos": 40 * UNIT, "empty_soon_hours": None, "unusual_nanos": 2 * UNIT,
     "effective_from": CHANGED_AT},
    {"account_id": "acme", "low_balance_nanos": None, "empty_soon_hours": 0, "unusual_nanos": None,
     "effective_from": (FIRST_DAY + 15) * DAY},
]  # fmt: skip
OWN_PLAINLY = {
    "acme": [
        (CHANGED_AT, Rules(40 * UNIT, 24, 2 * UNIT)),
        ((FIRST_DAY + 15) * DAY, Rules(10 * UNIT, 0, 20 * UNIT)),
    ]
}


@settings(max_examples=40, deadline=None)
@given(histories(), st.lists(st.integers(1, 49), max_size=4), st.booleans())
def test_however_the_log_is_cut_the_alerts_are_those_of_a_judge_that_takes_one_movement_at_a_time(
    history: list[dict[str, Any]], cuts: list[int], has_settings: bool
) -> None:
    plain = PlainJudge(RULES, OWN_PLAINLY if has_settings else {})
    for offset, each in enumerate(history):
        plain.take(each, offset)
    found = plainly(judged(Judge(), history, cuts, OWN if has_settings else None))
    assert sorted(found, key=str) == sorted(plain.alerts, key=str)
    assert [alert[0] for alert in found] == sorted(alert[0] for alert in found)


def steady(days: int, **fields: Any) -> list[dict[str, Any]]:
    """An account that spends 5 a day at ten o'clock."""
    paid = [movement(0, 0, 8, 1_000 * UNIT)]
    return [*paid, *(movement(1 + day, day, 10, -5 * UNIT, **fields) for day in range(days))]


def unusual(alerts: list[Alert]) -> list[tuple[str, int, int]]:
    """Of each: the subject, the hours that it is about, and what was spent in whole units."""
    return [
        (each.subject, ((each.window_to or 0) - each.window_from) // HOUR, (each.spent_nanos or 0) // UNIT)
        for each in alerts
        if each.kind is AlertKind.UNUSUAL_SPENDING
    ]


def test_a_theft_at_night_is_told_once_with_the_user_who_did_it() -> None:
    judge = Judge()
    assert judged(judge, steady(20)) == []
    thefts = [movement(100 + number, 20, 2, -7 * UNIT, user_id="anna", destination="+88299123") for number in range(30)]
    assert unusual(judged(judge, thefts)) == [("user:anna", 1, 21)]


def test_what_is_slow_is_told_by_its_day() -> None:
    thefts = [movement(100 + hour, 20, hour, -8 * UNIT, destination="+18761234567") for hour in range(12)]
    judge = Judge()
    judged(judge, steady(20))
    assert unusual(judged(judge, thefts)) == [("country:+1876", 24, 40)]


def test_half_of_the_floor_is_enough_where_nothing_is_usual_but_not_of_few_calls() -> None:
    judge = Judge()
    judged(judge, steady(20))
    few = [movement(100 + number, 20, 2, -5 * UNIT + 1) for number in range(4)]
    several = [movement(110 + number, 21, 2, -3 * UNIT) for number in range(6)]
    # At ten o'clock something is usual.
    by_day = [movement(120 + number, 22, 10, -3 * UNIT) for number in range(6)]
    assert unusual(judged(judge, [*few, *several, *by_day])) == [("", 1, 15)]


def test_an_account_that_is_new_hears_nothing_of_its_spending() -> None:
    for days, count in ((6, 0), (8, 1)):
        judge = Judge()
        judged(judge, steady(days))
        assert len(unusual(judged(judge, [movement(500, days, 2, -100 * UNIT)]))) == count


def test_a_late_movement_may_raise_and_never_twice() -> None:
    judge = Judge()
    judged(judge, steady(20))
    late = [movement(300, 15, 2, -100 * UNIT), movement(301, 15, 2, -100 * UNIT), movement(302, 16, 2, -100 * UNIT)]
    assert unusual(judged(judge, late)) == [("", 1, 100), ("", 1, 100)]


@pytest.mark.parametrize("cuts", [[], [70], [25, 26, 32, 33, 60]])
def test_an_account_is_told_three_times_a_day_of_the_log_at_most(cuts: list[int]) -> None:
    def theft(day: int, number: int, **fields: Any) -> dict[str, Any]:
        return movement(number, day, 2, -30 * UNIT, user_id=f"line {number}", destination="+18761234567", **fields)

    # On the last day the first one is late: it counts on the day of the log on which it came.
    other = [movement(300, 0, 8, UNIT, account_id="other"), theft(21, 301, account_id="other")]
    thefts = [*(theft(20, 100 + line) for line in range(12)), theft(21, 200), theft(20, 201), *other, theft(21, 202)]
    history = [*steady(20), *thefts, *(theft(21, 210 + line) for line in range(3))]
    told = [alert.offset for alert in judged(Judge(), history, cuts) if alert.kind is AlertKind.UNUSUAL_SPENDING]
    assert told == [21, 22, 23, 33, 34, 37]


@pytest.mark.parametrize("cut", [23, 30])
def test_a_restored_judge_knows_how_often_it_told_today(cut: int) -> None:
    thefts = [movement(100 + line, 20, 2, -30 * UNIT, user_id=f"line {line}") for line in range(12)]
    history = [*steady(20), *thefts]
    first, second = Judge(), Judge()
    told = judged(first, history[:cut])
    second.restore(first.columns())
    assert len(unusual([*told, *second.judge(facts_of(history[cut:], cut, settings_of(None)))])) == 3


def test_a_month_that_comes_in_one_go_is_no_flood() -> None:
    """As where an account's history is sent into a partition that another account has brought to today already."""
    newest = [movement(0, 0, 8, UNIT), movement(1, 34, 8, UNIT, account_id="other")]
    past = [movement(10 + number, number // 40, 10, -UNIT) for number in range(34 * 40)]
    assert len(unusual(judged(Judge(), [*newest, *past], [500]))) <= 3


def test_a_movement_that_the_log_has_twice_counts_once() -> None:
    """As the embedded broker shows it where a transaction was aborted."""
    twice = [movement(1, 0, 8, 20 * UNIT), movement(2, 0, 9, -6 * UNIT), movement(2, 0, 9, -6 * UNIT)]
    assert judged(Judge(), twice, [2]) == judged(Judge(), twice) == []
    once_more = [*twice, movement(3, 0, 9, -6 * UNIT)]
    assert [alert.balance_nanos for alert in judged(Judge(), once_more, [1, 3])] == [8 * UNIT]


def test_a_balance_is_told_again_when_it_was_well_above_the_threshold() -> None:
    amounts = [30, -21, 3, -3, 5, -5, 8, -8]
    balances = [movement(number, 0, 8, amount * UNIT) for number, amount in enumerate(amounts)]
    # 9: told; 12 and 14 are not enough; 17 is.
    assert [alert.offset for alert in judged(Judge(), balances)] == [1, 7]


def test_a_judge_that_was_restored_goes_on_like_the_one_before() -> None:
    history = [*steady(20, user_id="ünal"), *(movement(100 + number, 20, 2, -7 * UNIT) for number in range(9))]
    whole = judged(Judge(), history)
    for cut in (1, 10, 23):
        first, second = Judge(), Judge()
        alerts = judged(first, history[:cut])
        second.restore(first.columns())
        assert [*alerts, *second.judge(facts_of(history[cut:], cut, settings_of(None)))] == whole
    assert len(whole) == 1


def test_what_an_alert_says_to_a_customer() -> None:
    low = judged(Judge(), [movement(1, 0, 8, 20 * UNIT), movement(2, 0, 9, -(10 * UNIT + UNIT // 2))])
    assert [alert.message for alert in low] == ["Your balance has fallen below 10 EUR: it is 9.5 EUR."]
    judge = Judge()
    judged(judge, steady(20))
    (theft,) = judged(judge, [movement(100, 20, 2, -30 * UNIT, user_id="anna")])
    assert theft.message == (
        "User anna has spent 30 EUR on 24 October 2024 between 02:00 and 03:00 (UTC). Usual for that time is 0 EUR."
    )
    # For ever: by it a told alert is known.
    assert theft.alert_id == "758e40b4-e9b3-556c-ab1b-c2b9b506c0c4"


def business(days: list[int]) -> list[dict[str, Any]]:
    """An account that spends 48 on each of these days, and was topped up on day 0."""
    calls = [(day, call) for day in days for call in range(48)]
    used = [movement(number, day, 9 + call // 8, -UNIT, user_id="bot") for number, (day, call) in enumerate(calls, 1)]
    return [movement(0, 0, 8, 100_000 * UNIT), *used]


@pytest.mark.parametrize(
    ("days", "told_on"),
    [
        pytest.param([*range(20), *range(35, 50)], [], id="closed for 15 days, then as before"),
        pytest.param([*range(30), *range(58, 70)], [58], id="closed for 28 days, of which nobody knows what is usual"),
        pytest.param(list(range(8, 20)), [8], id="first used on day 8"),
        pytest.param(list(range(0, 70, 7)), [], id="once a week"),
    ],
)
def test_days_on_which_an_account_spent_nothing_do_not_count_as_its_past(days: list[int], told_on: list[int]) -> None:
    alerts = [each for each in judged(Judge(), business(days)) if each.kind is AlertKind.UNUSUAL_SPENDING]
    assert [each.window_from // DAY - FIRST_DAY for each in alerts] == told_on


@pytest.mark.parametrize("days", [[], list(range(0, 34, 7)), [*range(6), 20]])
def test_a_theft_from_an_account_that_is_seldom_used_is_told(days: list[int]) -> None:
    thefts = [movement(3_000 + number, 34, 2, -5 * UNIT, destination="+18761234567") for number in range(40)]
    told = unusual(judged(Judge(), [*business(days), *thefts]))
    assert told[:1] == [("country:+1876", 1, 25)]


def test_a_pace_is_told_in_cents_and_a_message_is_one_line() -> None:
    # Within three days of 8 EUR in all: 8 / 24 an hour, which does not come out even.
    spent = [movement(1 + day, day, 10, -8 * UNIT) for day in range(3)]
    history = [movement(0, 0, 1, 120 * UNIT), *spent, movement(9, 3, 1, -(88 * UNIT + UNIT // 2), user_id="a")]
    (soon,) = [each for each in judged(Judge(), history) if each.kind is AlertKind.EMPTY_SOON]
    assert (
        soon.message == "Your balance is 7.5 EUR. As you have spent in the last days, 8 EUR are gone within 24 hours."
    )
    judge = Judge()
    judged(judge, steady(20))
    (theft,) = judged(judge, [movement(100, 20, 2, -30 * UNIT, user_id="an\nna\u2028\x1b[1m")])
    assert theft.message.startswith("User an\ufffdna\ufffd\ufffd[1m has spent 30 EUR")
    assert theft.record["subject"] == "user:an\nna\u2028\x1b[1m"


@pytest.mark.parametrize("cuts", [[], [36], [22, 30, 36]])
def test_what_is_usual_is_as_it_was_known_when_the_day_began_whatever_comes_late(cuts: list[int]) -> None:
    late = [movement(100 + day, day, 10, -15 * UNIT) for day in range(5, 20)]
    today = [movement(200, 20, 8, 0, description="call"), *late, movement(201, 20, 10, -30 * UNIT)]
    history = [*steady(20), *today, movement(300, 21, 8, 0, description="call"), movement(301, 21, 10, -30 * UNIT)]
    # Usual was 5, and is 20 when the next day begins.
    assert unusual(judged(Judge(), history, cuts)) == [("", 1, 30)]
