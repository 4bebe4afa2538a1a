"""A month of the made-up company with fraud and noise in it; docs/PERFORMANCE.md has the figures of a larger one."""

from benchmarks.alerts.found import found
from benchmarks.alerts.month import month


def test_every_fraud_is_found_soon_and_an_account_is_alarmed_wrongly_once_at_most() -> None:
    result = found(month(100_000))
    *stolen, slow = result.frauds
    for each in stolen:
        # With the movement that shows it, and within five minutes of the first.
        assert each.after_shown_seconds == 0, each.fraud
        assert each.after_first_seconds is not None
        assert each.after_first_seconds <= 300, each.fraud
        assert len(each.alerts) <= 2, each.fraud
    assert slow.alerts
    assert max(result.wrong.values(), default=0) <= 1
