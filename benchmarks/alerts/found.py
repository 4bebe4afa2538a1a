"""What a judge makes of the month: each fraud with its alert, and the alerts that are about none."""

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.alerts.frauds import ALL, SECOND, Fraud
from benchmarks.alerts.month import Month
from streams.alerts.judging.alerts import Alert, AlertKind
from streams.alerts.judging.countries import countries
from streams.alerts.judging.facts import Facts
from streams.alerts.judging.judge import Judge
from streams.alerts.judging.rules import Rules
from streams.alerts.judging.settings import AccountSettings

NANOS = 10**9
RULES = Rules(low_balance_nanos=10 * NANOS, empty_soon_hours=24, unusual_nanos=20 * NANOS)


@dataclass(frozen=True)
class FoundFraud:
    """`cost_nanos`: of all of it; `cost_until_nanos`: until the first alert. `after_first_seconds`: from its first record to
    the alert. Both are None where nothing was told."""

    fraud: Fraud
    cost_nanos: int
    alerts: list[Alert]
    cost_until_nanos: int | None
    after_first_seconds: int | None


@dataclass(frozen=True)
class Found:
    """`wrong`: unusual spending that is no fraud, by account. `told`: of each kind how many. `per_second`: movements judged a
    second of one processor."""

    frauds: list[FoundFraud]
    wrong: Counter[str]
    told: Counter[str]
    per_second: float


def judged(month: Month, batch: int = 20_000) -> tuple[list[Alert], float]:
    """All alerts of the month, and how many movements were judged in a second."""
    judge, settings = Judge(), AccountSettings(RULES)
    alerts: list[Alert] = []
    began_at = time.process_time()
    for begin in range(0, len(month.movements), batch):
        part = slice(begin, min(begin + batch, len(month.movements)))
        offsets = np.arange(part.start, part.stop)
        alerts += judge.judge(Facts.read(month.movements[part], offsets, month.logged_at[part], settings))
    return alerts, len(month.movements) / (time.process_time() - began_at)


def found(month: Month) -> Found:
    alerts, per_second = judged(month)
    unusual = [alert for alert in alerts if alert.kind is AlertKind.UNUSUAL_SPENDING]
    frauds = [_found(month, unusual, number, fraud) for number, fraud in enumerate(ALL)]
    right = {alert.alert_id for each in frauds for alert in each.alerts}
    wrong = Counter(alert.account_id for alert in unusual if alert.alert_id not in right)
    return Found(frauds, wrong, Counter(alert.kind.value for alert in alerts), per_second)


def _found(month: Month, unusual: list[Alert], number: int, fraud: Fraud) -> FoundFraud:
    rows = np.flatnonzero(month.of_fraud == number)
    nanos = -month.movements["credit_movement_nanos"].to_numpy()[rows]
    # What an alert is about is the fraud's where their times meet, and it names nobody and no country that is not the fraud's.
    subjects = _subjects(fraud)
    alerts = [
        alert
        for alert in unusual
        if alert.account_id == fraud.account_id
        and alert.subject in subjects
        and rows[0] <= alert.offset
        and alert.window_from < fraud.end
        and (alert.window_to or 0) > fraud.begin
    ]
    if not alerts:
        return FoundFraud(fraud, int(nanos.sum()), [], None, None)
    first = alerts[0]
    return FoundFraud(
        fraud,
        int(nanos.sum()),
        alerts,
        int(nanos[rows <= first.offset].sum()),
        (first.raised_at - int(month.logged_at[rows[0]])) // SECOND,
    )


def _subjects(fraud: Fraud) -> set[str]:
    (country,) = countries(pl.Series([f"+{fraud.prefix}"])).tolist()
    return {"", f"user:{fraud.user}", f"country:+{country}"}
