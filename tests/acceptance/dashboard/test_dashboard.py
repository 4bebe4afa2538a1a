"""The customer's view: a browser opens Account > Billing of a running `up`, clicks, waits, and downloads."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from credit_movements.settings import load_settings
from exporter.storage.keys import ExportKeys
from schemas.topics import CREDIT_MOVEMENTS, EXPORT_NOTIFICATIONS, EXPORT_REQUESTS
from tests.acceptance.command import RunningUp, run
from tests.acceptance.dashboard.page import (
    NASTY,
    account_with_movements,
    asked,
    complaints,
    open_billing,
    read,
    send_messages,
    shows,
    the_export,
    told,
    until,
)
from tests.acceptance.published import adjustment
from tests.browser.broken_words import BROKEN_WORDS
from tests.browser.chromium import NARROW, WIDE, resize
from tests.integration.stack import Stack


@pytest.fixture
def downloads(browser: Chrome) -> Path:
    return Path(browser.capabilities["chrome"]["userDataDir"]).parent / "downloads"


@pytest.fixture
def topics(up: RunningUp) -> Iterator[Stack]:
    with Stack(load_settings(up.folder)) as stack:
        yield stack


def of_account(topics: Stack, topic: Any, account_id: str) -> list[dict[str, Any]]:
    return [record for record in topics.records(topic) if record["account_id"] == account_id]


def test_two_quick_clicks_one_export_and_the_file_is_the_one_in_the_storage(
    up: RunningUp, browser: Chrome, topics: Stack, downloads: Path, tmp_path: Path
) -> None:
    account_with_movements(up, tmp_path, NASTY)
    open_billing(browser, up, NASTY)
    assert told(browser) == ""
    assert browser.find_element(By.ID, "account").get_attribute("value") == NASTY
    # On a busy machine the first export could be over before the second click, which would then rightly make another one. It
    # waits for the last movement, which the sink does not store meanwhile.
    with up.held_up("sink"):
        send_messages(up, tmp_path, NASTY, 1)
        until(lambda: len(of_account(topics, CREDIT_MOVEMENTS, NASTY)) == 4)
        the_export(browser).click()
        first_message = told(browser)
        the_export(browser).click()
        second_message = told(browser)
        until(lambda: len(of_account(topics, EXPORT_REQUESTS, NASTY)) == 2)
    assert "Your export is being processed" in first_message
    assert second_message == first_message

    shows(browser, "Your export is ready")
    link = browser.find_element(By.ID, "download")
    [name] = [line.removeprefix("File\n") for line in told(browser).split("\n") if line.endswith(".csv")]
    link.click()
    until(lambda: (downloads / name).exists())
    requests = of_account(topics, EXPORT_REQUESTS, NASTY)
    [notification] = of_account(topics, EXPORT_NOTIFICATIONS, NASTY)
    assert notification["export_id"] == requests[0]["request_id"]
    stored = up.folder / "exports" / ExportKeys.of(NASTY, notification["export_id"]).file
    assert (downloads / name).read_bytes() == stored.read_bytes()
    assert notification["row_count"] == 4
    assert complaints(browser) == []


def test_a_page_that_is_opened_again_shows_the_last_export(up: RunningUp, browser: Chrome) -> None:
    assert run("request-export", "reopened", "--wait", "--data-dir", str(up.folder)).returncode == 0
    open_billing(browser, up, "reopened")
    shows(browser, "Your export is ready")


def test_a_failure_is_told_with_its_reason_and_can_be_tried_again(up: RunningUp, browser: Chrome) -> None:
    failed = run("request-export", "unlucky", "--wait", "--time-zone", "Mars/Olympus", "--data-dir", str(up.folder))
    assert failed.returncode == 1
    open_billing(browser, up, "unlucky")
    shows(browser, "The export did not work")
    assert "The time zone of this export is not known." in told(browser)
    assert "Please try again from the Dashboard, with another time zone." in told(browser)
    browser.find_element(By.ID, "again").click()
    shows(browser, "Your export is ready")


def test_the_page_is_used_by_keyboard_and_speaks_to_a_screen_reader(up: RunningUp, browser: Chrome) -> None:
    open_billing(browser, up, "keyboard")
    for _ in range(3):
        browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("id") == "export"
    region = browser.find_element(By.ID, "told")
    assert (region.aria_role, region.get_attribute("aria-live")) == ("status", "polite")
    assert browser.find_element(By.ID, "account").accessible_name == "Account"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    shows(browser, "Your export is")
    assert browser.switch_to.active_element.get_attribute("id") == "export"


def test_nothing_is_cut_off_in_a_narrow_window(up: RunningUp, browser: Chrome) -> None:
    assert run("request-export", "narrow", "--wait", "--data-dir", str(up.folder)).returncode == 0
    try:
        resize(browser, NARROW)
        open_billing(browser, up, "narrow")
        shows(browser, "Your export is ready")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= NARROW[0]
    finally:
        resize(browser, WIDE)


def test_behind_each_line_stands_why_it_is_what_it_is(up: RunningUp, browser: Chrome, tmp_path: Path) -> None:
    account = f"lines {NASTY}"
    account_with_movements(up, tmp_path, account)
    open_billing(browser, up, account)
    until(lambda: len(browser.find_elements(By.CSS_SELECTOR, "#lines .line")) == 3)
    line = browser.find_elements(By.CSS_SELECTOR, "#lines .line")[0]
    line.click()
    explained = browser.find_element(By.ID, "explained")
    until(lambda: "the ledger has the same" in explained.text, lambda: explained.text)
    for said in (
        "rated: it became the movement",
        "4915112345678",
        "longest with a rate in force",
        f",{line.text},sms,",
    ):
        assert said in browser.find_element(By.ID, "explanation").text
    assert browser.switch_to.active_element.get_attribute("id") == "explanation"
    assert browser.find_elements(By.CSS_SELECTOR, "#lines img, #explanation img") == []
    try:
        for size in (WIDE, NARROW):
            resize(browser, size)
            assert browser.execute_script(BROKEN_WORDS) == []
            assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    finally:
        resize(browser, WIDE)
    assert complaints(browser) == []


def test_an_adjustment_of_a_movement_that_is_not_there_says_so(up: RunningUp, tmp_path: Path) -> None:
    account_with_movements(up, tmp_path, "corrected")
    (first, *_) = json.loads(read(f"{up.pages}/dashboard/lines?account=corrected"))["lines"]
    named = [first["movement_id"], str(uuid.uuid4())]
    fields = {"account_id": "corrected", "occurred_at": datetime.now(UTC).isoformat()}
    refunds = [adjustment(number, movement_id=each, **fields) for number, each in enumerate(named)]
    file = tmp_path / "adjustments.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in refunds))
    assert run("publish", "adjustment-events", str(file), "--data-dir", str(up.folder)).returncode == 0
    until(lambda: len(json.loads(read(f"{up.pages}/dashboard/lines?account=corrected"))["lines"]) == 5)
    whys = []
    for each in refunds:
        found = json.loads(read(f"{up.pages}/dashboard/explanation?id={each['event_id']}&account=corrected"))
        whys += [step["why"] for step in found["steps"] if step["name"] == "corrects"]
    there = "the movement that the adjustment names"
    assert whys == [there, f"{there}: ClickHouse has no such movement of this account"]


def test_an_account_sees_no_line_of_another(up: RunningUp, tmp_path: Path) -> None:
    account_with_movements(up, tmp_path, "owner")
    (first, *_) = json.loads(read(f"{up.pages}/dashboard/lines?account=owner"))["lines"]
    url = f"{up.pages}/dashboard/explanation?id={first['movement_id']}"
    assert json.loads(read(f"{url}&account=owner"))["movement"]["account_id"] == "owner"
    for stranger in ("other", "Owner", "owner%20"):
        assert asked(f"{url}&account={stranger}")[0] == 404
        assert json.loads(read(f"{up.pages}/dashboard/lines?account={stranger}"))["lines"] == []
    assert asked(url)[0] == 403
    assert asked(f"{up.pages}/dashboard/explanation?id=%27%20OR%201&account=owner")[0] == 404
    assert asked(f"{url}&account=owner", Host="rebound.example:80")[0] == 403


def test_the_browser_never_gets_the_token(up: RunningUp, browser: Chrome) -> None:
    token = (up.folder / "status-token").read_text()
    open_billing(browser, up, "acme")
    state = read(f"{up.pages}/dashboard/export?account=acme")
    seen = (
        browser.page_source + browser.execute_script("return JSON.stringify([document.cookie, localStorage])") + state
    )
    assert token not in seen
    assert token not in "".join(log.read_text() for log in (up.folder / "logs").glob("*.log"))


CLICK = json.dumps({"account": "victim", "time_zone": None}).encode()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Origin": "https://evil.example", "Content-Type": "application/json"}, CLICK),
        ({"Origin": "null", "Content-Type": "application/json"}, CLICK),
        ({"Content-Type": "application/json"}, CLICK),
        ({"Origin": "OWN", "Content-Type": "text/plain"}, CLICK),
        ({"Origin": "OWN", "Content-Type": "application/x-www-form-urlencoded"}, b"account=victim"),
        ({"Origin": "OWN", "Content-Type": "application/json"}, b"[]"),
        ({"Origin": "OWN", "Content-Type": "application/json"}, b'{"account": "\\ud800"}'),
        ({"Origin": "OWN", "Content-Type": "application/json", "Host": "rebound.example"}, CLICK),
    ],
)
def test_a_strange_site_cannot_click(up: RunningUp, topics: Stack, headers: dict[str, str], body: bytes) -> None:
    headers = {name: up.pages if text == "OWN" else text for name, text in headers.items()}
    assert asked(f"{up.pages}/dashboard/export", body, **headers)[0] == 403
    assert of_account(topics, EXPORT_REQUESTS, "victim") == []


def test_a_strange_site_can_neither_read_nor_frame_the_page(up: RunningUp) -> None:
    url = f"{up.pages}/dashboard/"
    assert asked(f"{url}lines?account=acme", Origin="https://evil.example")[0] == 403
    assert asked(f"{url}export?account=acme", Host="rebound.example:80")[0] == 403
    assert asked(f"{url}export?account=acme", Origin="https://evil.example")[0] == 403
    status, headers = asked(url)
    assert status == 200
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
