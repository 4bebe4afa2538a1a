"""The Billing page is for everybody: by keyboard, read out, on a narrow screen, in the dark; and from nobody but us."""

from decimal import Decimal

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.acceptance.command import RunningUp
from tests.acceptance.dashboard.charts import lines_shown, tab_stops, unreadable
from tests.acceptance.dashboard.ledger import ledger, shown, spent
from tests.acceptance.dashboard.page import complaints, until
from tests.acceptance.dashboard.spender import day_ago, open_spending
from tests.browser.chromium import NARROW, WIDE, resize


def test_the_bars_are_walked_by_keyboard_and_told(up: RunningUp, browser: Chrome, spender: str) -> None:
    open_spending(browser, up, spender)
    browser.execute_script("document.querySelector('#types label:last-child input').focus()")
    browser.switch_to.active_element.send_keys(Keys.TAB)
    chart = browser.switch_to.active_element
    assert chart.get_attribute("id") == "chart"
    assert chart.accessible_name == "Spending by day"
    told = browser.find_element(By.ID, "chart-told")
    for key in (Keys.END, Keys.LEFT):
        chart.send_keys(key)
    lines = [line for line in ledger(up, spender) if line["interaction_id"] in ("call-0", "call-1", "whatsapp-2")]
    of_day = spent(lines, "UTC")
    said = told.get_attribute("textContent") or ""
    assert shown(sum(of_day.values(), Decimal())) in said
    assert f"whatsapp {shown(of_day[day_ago(1), 'whatsapp'])}" in said
    chart.send_keys(Keys.UP)
    assert (told.get_attribute("textContent") or "").endswith(f": call {shown(of_day[day_ago(1), 'call'])}")
    chart.send_keys(Keys.UP)
    chart.send_keys(Keys.ENTER)
    until(lambda: lines_shown(browser) == ["whatsapp-2"])
    assert browser.switch_to.active_element.get_attribute("id") == "movements"


def test_every_stop_of_the_keyboard_is_seen_and_they_come_in_the_order_of_the_page(
    up: RunningUp, browser: Chrome, spender: str
) -> None:
    open_spending(browser, up, spender)
    until(lambda: lines_shown(browser))
    stops = tab_stops(browser, 80)
    assert {stop.name for stop in stops if not stop.is_seen} == set()
    places = [stop.place for stop in stops]
    assert places == sorted(places)
    names = [stop.name for stop in stops]
    wanted = (
        "account",
        "Open",
        "export",
        "period",
        "from",
        "to",
        "types",
        "chart",
        "days-shown",
        "users",
        "destinations",
        "lines",
    )
    assert [name for name in dict.fromkeys(names) if name in wanted] == list(wanted)


def test_it_fits_a_narrow_window_and_can_be_read_in_the_dark(up: RunningUp, browser: Chrome, spender: str) -> None:
    try:
        resize(browser, NARROW)
        for scheme in ("light", "dark"):
            browser.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            )
            open_spending(browser, up, spender)
            until(lambda: lines_shown(browser))
            assert browser.execute_script("return document.documentElement.scrollWidth") <= NARROW[0]
            assert browser.find_element(By.ID, "bars").size["width"] >= 250
            assert unreadable(browser) == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        resize(browser, WIDE)


def test_nothing_comes_from_anywhere_else(up: RunningUp, browser: Chrome, spender: str) -> None:
    open_spending(browser, up, spender)
    asked_for = browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert any(name.endswith("/dashboard/chart.js") for name in asked_for)
    assert [name for name in asked_for if not name.startswith((f"{up.pages}/dashboard/", "data:"))] == []
    # And nothing could: what would not be ours does not run, and is not asked for.
    refused = browser.execute_async_script("""
        const done = arguments[0], refused = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          if (refused.push(event.effectiveDirective) === 4) done([refused.sort(), window.hasRun ?? false]);
        });
        const made = (tag, fields) => document.body.append(Object.assign(document.createElement(tag), fields));
        made("script", {textContent: "hasRun = true"});
        made("script", {src: "https://cdn.example/chart.js"});
        made("img", {src: "https://example.invalid/seen.png"});
        fetch("https://example.invalid/").catch(() => {});
    """)
    assert refused == [["connect-src", "img-src", "script-src-elem", "script-src-elem"], False]
    complaints(browser)
