"""A month of the made-up company with fraud and noise in it; docs/PERFORMANCE.md has the figures of larger ones."""

from benchmarks.alerts.found import found
from benchmarks.alerts.frauds import FRAUDS
from benchmarks.alerts.month import month


def test_every_quick_fraud_is_found_within_five_minutes_and_an_account_is_alarmed_wrongly_once_at_most() -> None:
    result = found(month(100_000))
    quick, (one_line, *_) = result.frauds[: len(FRAUDS)], result.frauds[len(FRAUDS) :]
    for each in quick:
        assert each.after_first_seconds is not None, each.fraud
        assert each.after_first_seconds <= 300, each.fraud
        assert len(each.alerts) <= 2, each.fraud
    assert one_line.alerts
    assert max(result.wrong.values(), default=0) <= 1
