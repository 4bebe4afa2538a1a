"""What the watch told an account stands on its Billing page, and on no other's."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from credit_movements.settings import load_settings
from schemas.partitioner import account_partition
from tests.acceptance.command import RunningUp
from tests.acceptance.dashboard.page import NASTY, asked, complaints, open_billing, read, send, sms, until

WARNED = f"warned {NASTY}"
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
