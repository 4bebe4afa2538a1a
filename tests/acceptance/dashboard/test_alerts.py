"""What the watch told an account stands on its Billing page, and on no other's."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from credit_movements.settings import load_settings
from schemas.partitioner import account_partition
from schemas.topics import CREDIT_ALERTS
from tests.acceptance.command import RunningUp, run
from tests.acceptance.dashboard.page import NASTY, asked, complaints, open_billing, read, send, sms, until
from tests.integration.stack import Stack

WARNED = f"warned {NASTY}"
ERASED = "gone\nby erasure"
# More than half of the top-up, so that what is left is below the threshold.
SECONDS = 80_000


def told(up: RunningUp, account_id: str) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = json.loads(read(f"{up.pages}/dashboard/alerts?account={quote(account_id, safe='')}"))
    return alerts


def test_what_an_account_was_told_stands_on_its_page_and_on_no_other(
    up: RunningUp, browser: Chrome, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    paid = {"event_id": "5a1f0c1e-3a52-4a5e-9d21-7f3f5a0f7b11", "account_id": WARNED, "interaction_id": "payment-1"}
    paid |= {"amount_nanos": 20 * 10**9, "currency": "EUR", "occurred_at": now - timedelta(hours=30)}
    send(up, tmp_path, [paid], "top-up-events")
    call = sms(WARNED, 1, usage_type="call", quantity=SECONDS, destination="+390669812345")
    send(up, tmp_path, [call | {"occurred_at": now - timedelta(hours=1)}])
    until(lambda: "low_balance" in {alert["kind"] for alert in told(up, WARNED)})
    (low,) = [alert for alert in told(up, WARNED) if alert["kind"] == "low_balance"]
    open_billing(browser, up, WARNED)
    until(lambda: browser.find_element(By.ID, "alerts").is_displayed())
    shown = browser.find_element(By.ID, "alerts").text
    assert "Your balance is low" in shown
    assert low["message"] in shown
    assert complaints(browser) == []
    # Accounts whose names stand in its records, in its partition.
    partitions = load_settings(up.folder).topic_partitions
    beginnings = [WARNED[:length] for length in range(1, len(WARNED))]
    here = account_partition(WARNED, partitions)
    strangers = [each for each in beginnings if account_partition(each, partitions) == here]
    assert strangers
    for stranger in (strangers[-1], f"W{WARNED[1:]}"):
        assert told(up, stranger) == []
    open_billing(browser, up, "warned")
    assert not browser.find_element(By.ID, "alerts").is_displayed()
    assert asked(f"{up.pages}/dashboard/alerts?account=x", Host="rebound.example:80")[0] == 403


def test_a_link_says_what_it_shows_and_of_an_erased_account_no_user_is_named(up: RunningUp, browser: Chrome) -> None:
    hour = int(datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0).timestamp() * 1e6)
    with Stack(load_settings(up.folder)) as stack:
        stack.publish(CREDIT_ALERTS, *(unusual(subject, hour) for subject in ("user:anna", "country:+39", None)))
    until(lambda: len(told(up, ERASED)) == 3)
    browser.get(f"{up.pages}/dashboard/?account={quote(ERASED)}")
    until(lambda: browser.find_element(By.ID, "alerts").is_displayed())
    links = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "#alerts .line")]
    assert sorted(links) == ["Show the day's movements", "Show the movements", "Show the movements"]
    assert run("erase", ERASED, "--data-dir", str(up.folder)).returncode == 0
    assert {alert["subject"] for alert in told(up, ERASED)} == {"country:+39", None}
    # A field of one line cannot show its line break, and must not make another account of it.
    browser.find_element(By.CSS_SELECTOR, "#who button").click()
    until(lambda: len(browser.find_elements(By.CSS_SELECTOR, "#alerts .line")) == 2)
    assert "anna" not in browser.find_element(By.ID, "alerts").text
    complaints(browser)


def unusual(subject: str | None, hour: int) -> dict[str, Any]:
    """A CreditAlert of the hour that begins at `hour` (microseconds)."""
    return {
        "alert_id": str(uuid.uuid4()), "account_id": ERASED, "kind": "unusual_spending", "subject": subject,
        "window_from": hour, "window_to": hour + 3_600_000_000, "currency": "EUR", "balance_nanos": None,
        "spent_nanos": 10**9, "usual_nanos": 0, "threshold_nanos": 10**8, "raised_at": hour,
        "message": f"{subject} has spent 1 EUR.",
    }  # fmt: skip
