"""An account that has used what a few people use in a week, and its page."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.acceptance.command import RunningUp
from tests.acceptance.dashboard.page import NASTY, open_billing, send, sms, until, wait_for_movements

SPENDER = f"spender {NASTY}"
GERMANY, ITALY = "+4915112345678", "+390669812345"
# Days ago, hour and minute (UTC), type, quantity, user, number.
USED = [
    (1, 12, 0, "call", 61, "anna", GERMANY),
    (1, 13, 0, "call", 3_000, "ben", ITALY),
    (1, 14, 0, "whatsapp", 1, "anna", GERMANY),
    # In Kathmandu it is the next day already.
    (3, 18, 20, "call", 600, NASTY, ITALY),
    (3, 18, 10, "sms", 2, None, GERMANY),
    *((5, 9, minute, "sms", 1, "carla", GERMANY) for minute in range(45)),
]
TOP_UP = 25 * 10**9


def publish_spender(up: RunningUp, folder: Path) -> None:
    today = datetime.now(UTC).date()
    at = [
        datetime.combine(today - timedelta(days=days), time(hour, minute), tzinfo=UTC)
        for days, hour, minute, *_ in USED
    ]
    used = [
        sms(
            SPENDER, number, usage_type=kind, interaction_id=f"{kind}-{number}", quantity=quantity, user_id=user,
            destination=called, occurred_at=at[number],
        )
        for number, (*_, kind, quantity, user, called) in enumerate(USED)
    ]  # fmt: skip
    send(up, folder, used)
    paid = {"event_id": "0f6a2f5c-8e63-4c2c-9a55-0c6f3a1f7b10", "account_id": SPENDER, "interaction_id": "payment-1"}
    paid |= {"amount_nanos": TOP_UP, "currency": "EUR", "occurred_at": at[0]}
    send(up, folder, [paid], "top-up-events")
    wait_for_movements(up, SPENDER, len(used) + 1)


def open_spending(browser: Chrome, up: RunningUp, account_id: str) -> None:
    open_billing(browser, up, account_id)
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "#figures dt"))


def day_ago(days: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=days)).isoformat()
