"""What the tests do with the page: open it, wait for it, ask its backend."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.acceptance.command import RunningUp, run

PATIENCE_SECONDS = 60.0
NASTY = "<img src=x onerror=alert(1)>/../ü%2F'\"&"


def account_with_movements(up: RunningUp, tmp_path: Path, account_id: str) -> None:
    """Three messages sent an hour ago, rated and stored."""
    send_messages(up, tmp_path, account_id, 3)
    wait_for_movements(up, account_id, 3)


def send_messages(up: RunningUp, tmp_path: Path, account_id: str, count: int) -> None:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    send(up, tmp_path, [sms(account_id, number, occurred_at=an_hour_ago) for number in range(count)])


def sms(account_id: str, number: int, **fields: Any) -> dict[str, Any]:
    """One UsageEvent: a message, or what `fields` say."""
    return {
        "event_id": str(uuid.uuid4()), "account_id": account_id, "interaction_id": f"sms-{number}", "usage_type": "sms",
        "quantity": 1, "destination": "+4915112345678", "user_id": None, **fields,
    }  # fmt: skip


def send(up: RunningUp, folder: Path, events: Iterable[dict[str, Any]], topic: str = "usage-events") -> None:
    file = folder / "events.jsonl"
    records = ({**event, "occurred_at": event["occurred_at"].isoformat()} for event in events)
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert run("publish", topic, str(file), "--data-dir", str(up.folder)).returncode == 0


def wait_for_movements(up: RunningUp, account_id: str, count: int) -> None:
    """Until so many are rated and stored."""
    until(lambda: f" {count} " in run("balance", account_id, "--data-dir", str(up.folder)).stdout)


def until(condition: Callable[[], object], explain: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def open_billing(browser: Chrome, up: RunningUp, account_id: str) -> None:
    browser.get(f"{up.pages}/dashboard/?account={quote(account_id, safe='')}")
    until(lambda: browser.find_element(By.ID, "told").get_attribute("data-state"))


def told(browser: Chrome) -> str:
    return browser.find_element(By.ID, "told").text


def shows(browser: Chrome, text: str) -> None:
    until(lambda: text in told(browser), lambda: f"{text!r} is not in {told(browser)!r}")


def the_export(browser: Chrome) -> Any:
    return browser.find_element(By.ID, "export")


def complaints(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def asked(url: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str]]:
    page = urllib.request.Request(
        url, data=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    try:
        with urllib.request.urlopen(page, timeout=30) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers)
