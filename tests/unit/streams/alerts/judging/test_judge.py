"""The judge of batches, held against one that takes one movement at a time."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alerts.judging.alerts import Alert
from streams.alerts.judging.judge import Judge, Rows
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
        **{"description": "call" if nanos < 0 else "top-up", **fields},
    )


def judged(judge: Judge, movements: list[dict[str, Any]], cuts: list[int] = []) -> list[Alert]:  # noqa: B006 - only read
    """The alerts of movements that lie at offsets 0, 1, 2 and so on, taken in batches that end at `cuts`."""
    alerts = []
    ends = [*sorted(cut for cut in cuts if cut < len(movements)), len(movements)]
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        if begin < end:
            rows = Rows(movements_table(movements[begin:end]), np.arange(begin, end), np.arange(begin, end) * 1000)
            alerts += judge.judge(rows)
    return alerts


def judge_of(rules: Rules = RULES, records: list[dict[str, Any]] | None = None) -> Judge:
    own = AccountSettings(rules)
    if records:
        own.put(pl.DataFrame(records))
    return Judge(own)


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
    for number in range(draw(st.integers(1, 60))):
        day += draw(st.sampled_from([0, 0, 0, 1, 1, 3]))
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
                description=draw(st.sampled_from(["call", "refund"])) if nanos < 0 else "top-up",
            )
        )
    return made


OWN = [
    {"account_id": "acme", "low_balance_nanos": 40 * UNIT, "empty_soon_hours": None, "unusual_nanos": 2 * UNIT,
     "effective_from": (FIRST_DAY + 5) * DAY},
    {"account_id": "acme", "low_balance_nanos": None, "empty_soon_hours": 0, "unusual_nanos": None,
     "effective_from": (FIRST_DAY + 15) * DAY},
]  # fmt: skip
OWN_PLAINLY = {
    "acme": [
        ((FIRST_DAY + 5) * DAY, Rules(40 * UNIT, 24, 2 * UNIT)),
        ((FIRST_DAY + 15) * DAY, Rules(10 * UNIT, 0, 20 * UNIT)),
    ]
}


@settings(max_examples=150, deadline=None)
@given(histories(), st.lists(st.integers(1, 59), max_size=6), st.booleans())
def test_however_the_log_is_cut_the_alerts_are_those_of_a_judge_that_takes_one_movement_at_a_time(
    history: list[dict[str, Any]], cuts: list[int], has_settings: bool
) -> None:
    plain = PlainJudge(RULES, OWN_PLAINLY if has_settings else {})
    for offset, each in enumerate(history):
        plain.take(each, offset)
    found = plainly(judged(judge_of(records=OWN if has_settings else None), history, cuts))
    assert sorted(found, key=str) == sorted(plain.alerts, key=str)
    assert [alert[0] for alert in found] == sorted(alert[0] for alert in found)
