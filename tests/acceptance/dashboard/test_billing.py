"""Where the credit went, as a customer sees it: the bars are the ledger's, and behind each are its movements."""

import json
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.acceptance.command import RunningUp
from tests.acceptance.dashboard.charts import bars, click_on_bar, lines_shown
from tests.acceptance.dashboard.ledger import added_up, ledger, shown, spent
from tests.acceptance.dashboard.page import (
    NASTY,
    asked,
    complaints,
    open_billing,
    read,
    until,
)
from tests.acceptance.dashboard.spender import GERMANY, ITALY, USED, day_ago, open_spending

NO_ZONE_OF_ITS_OWN = ""


@pytest.fixture
def zone(browser: Chrome, request: pytest.FixtureRequest) -> Iterator[str]:
    """The browser's time zone for one test."""
    set_zone(browser, request.param)
    yield request.param
    set_zone(browser, NO_ZONE_OF_ITS_OWN)


def set_zone(browser: Chrome, name: str) -> None:
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": name})


def most_shown(browser: Chrome, kind: str) -> list[tuple[str, Decimal]]:
    rows = browser.find_elements(By.CSS_SELECTOR, f"#{kind} tbody tr")
    cells = ([cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows)
    return [(name, Decimal(amount.removesuffix(" EUR"))) for name, amount in cells]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"], indirect=True)
def test_the_bars_are_what_the_ledger_has_of_each_local_day_and_type(
    up: RunningUp, browser: Chrome, spender: str, zone: str
) -> None:
    lines = ledger(up, spender)
    assert len({line["movement_id"] for line in lines}) == len(lines) == len(USED) + 1
    open_spending(browser, up, spender)
    expected = spent(lines, zone)
    assert {place: Decimal(str(height)) for place, height in bars(browser).items()} == expected
    figures = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "#figures dd")]
    assert figures == [shown(sum(expected.values(), Decimal())), "25.00 EUR", "0.00 EUR"]
    balance = sum((Decimal(line["credit_movement"]) for line in lines), Decimal())
    assert shown(balance) in browser.find_element(By.ID, "balance").text
    table = browser.find_element(By.ID, "days").get_attribute("textContent") or ""
    for (day, _), amount in expected.items():
        assert day in table
        assert shown(amount) in table
    assert complaints(browser) == []


def test_behind_a_bar_are_its_movements_and_nothing_else(up: RunningUp, browser: Chrome, spender: str) -> None:
    open_spending(browser, up, spender)
    click_on_bar(browser, day_ago(1), "call")
    until(lambda: sorted(lines_shown(browser)) == ["call-0", "call-1"])
    assert browser.switch_to.active_element.get_attribute("id") == "movements"
    assert "call" in browser.find_element(By.ID, "chosen").text
    browser.find_element(By.ID, "unchoose").click()
    until(lambda: len(lines_shown(browser)) == 20)
    click_on_bar(browser, day_ago(5), "sms")
    older = browser.find_element(By.ID, "older")
    for page in (1, 2):
        until(lambda page=page: len(lines_shown(browser)) == 20 * page and older.is_displayed())  # type: ignore[misc]
        older.click()
    until(lambda: len(lines_shown(browser)) == 45)
    assert sorted(lines_shown(browser)) == sorted(f"sms-{number}" for number in range(5, 50))
    assert not older.is_displayed()
    assert complaints(browser) == []


def test_the_filters_hold_for_the_bars_and_figures_and_stay(up: RunningUp, browser: Chrome, spender: str) -> None:
    open_spending(browser, up, spender)
    assert not any(note.is_displayed() for note in browser.find_elements(By.CLASS_NAME, "of-all-types"))
    browser.find_element(By.CSS_SELECTOR, "#types input[data-type=call]").click()
    assert {kind for _, kind in bars(browser)} == {"sms", "whatsapp"}
    without_calls = sum(
        (amount for (_, kind), amount in spent(ledger(up, spender), "UTC").items() if kind != "call"), Decimal()
    )
    assert shown(without_calls) in browser.find_element(By.ID, "figures").text
    notes = browser.find_elements(By.CLASS_NAME, "of-all-types")
    assert [note.is_displayed() for note in notes] == [True, True]
    Select(browser.find_element(By.ID, "period")).select_by_value("7")
    until(lambda: browser.find_element(By.ID, "from").get_attribute("value") == day_ago(7))
    browser.refresh()
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "#figures dt"))
    assert {kind for _, kind in bars(browser)} == {"sms", "whatsapp"}
    assert browser.find_element(By.ID, "from").get_attribute("value") == day_ago(7)
    set_last_day(browser, day_ago(9))
    until(lambda: "ends before it begins" in browser.find_element(By.ID, "spending-told").text)
    [_] = complaints(browser)


def test_a_wrong_period_leaves_the_balance_and_nothing_of_another_period(
    up: RunningUp, browser: Chrome, spender: str
) -> None:
    def is_told_and_empty() -> bool:
        return (
            "ends before it begins" in browser.find_element(By.ID, "spending-told").text
            and "25.0" not in browser.find_element(By.ID, "figures").text
            and f"after {len(USED) + 1} movements" in browser.find_element(By.ID, "balance").text
            and not any(browser.find_element(By.ID, each).is_displayed() for each in ("chart", "types", "days-shown"))
            and [most_shown(browser, each) for each in ("users", "destinations")] == [[], []]
        )

    wrong = f"{up.pages}/dashboard/?account={quote(spender, safe='')}&from={day_ago(0)}&to={day_ago(9)}"
    browser.get(wrong)
    until(is_told_and_empty)
    open_spending(browser, up, spender)
    assert bars(browser)
    set_last_day(browser, day_ago(40))
    until(is_told_and_empty)
    set_last_day(browser, day_ago(0))
    until(lambda: browser.find_element(By.ID, "chart").is_displayed())
    assert len(complaints(browser)) == 2


def set_last_day(browser: Chrome, day: str) -> None:
    browser.execute_script(
        "const end = document.getElementById('to'); end.value = arguments[0]; end.dispatchEvent(new Event('change'))",
        day,
    )


def test_who_and_what_cost_most_comes_first_and_leads_to_its_movements(
    up: RunningUp, browser: Chrome, spender: str
) -> None:
    open_spending(browser, up, spender)
    lines = [line for line in ledger(up, spender) if line["description"] != "top-up"]
    by_user = added_up([(line["user_id"] or "No user", -Decimal(line["credit_movement"])) for line in lines])
    assert most_shown(browser, "users") == sorted(by_user.items(), key=lambda each: -each[1])
    # Of a number the prefix of its rate, of which messages have another than calls, and what the rate calls it.
    called = most_shown(browser, "destinations")
    assert ("+39 Italy", dict(called)["+39 Italy"]) in called
    prefixes = [(text.partition(" ")[0], amount) for text, amount in called]
    assert [amount for _, amount in prefixes] == sorted((amount for _, amount in prefixes), reverse=True)
    by_number = added_up([(line["destination"], -Decimal(line["credit_movement"])) for line in lines])
    assert by_number == {
        number: sum((amount for prefix, amount in prefixes if number.startswith(prefix)), Decimal())
        for number in (GERMANY, ITALY)
    }
    next(each for each in browser.find_elements(By.CSS_SELECTOR, "#users .line") if each.text == NASTY).click()
    until(lambda: lines_shown(browser) == ["call-3"])
    until(lambda: list(bars(browser)) == [(day_ago(3), "call")])
    [(prefix, amount)] = most_shown(browser, "destinations")
    assert prefix == "+39 Italy"
    assert f"{ITALY} Italy" in browser.find_element(By.ID, "lines").text
    assert amount == sum(spent(ledger(up, spender, user=NASTY), "UTC").values(), Decimal())
    browser.find_element(By.CSS_SELECTOR, "#only button").click()
    until(lambda: len(bars(browser)) > 1 and len(lines_shown(browser)) == 20)
    next(each for each in browser.find_elements(By.CSS_SELECTOR, "#destinations .line") if each.text == "+39").click()
    until(lambda: lines_shown(browser) == ["call-1", "call-3"])
    until(lambda: sorted(bars(browser)) == [(day_ago(3), "call"), (day_ago(1), "call")])
    told = "Only numbers that begin with +39 (Italy) ✕"
    assert browser.find_element(By.CSS_SELECTOR, "#only button").text == told
    assert {user for user, _ in most_shown(browser, "users")} == {"ben", NASTY}
    assert browser.find_elements(By.CSS_SELECTOR, "main img") == []
    assert complaints(browser) == []


def test_an_account_without_movements_is_told_so(up: RunningUp, browser: Chrome) -> None:
    open_spending(browser, up, "nobody")
    assert "no movements yet" in browser.find_element(By.ID, "balance").text
    assert "no movements in this period" in browser.find_element(By.ID, "figures").text
    assert not browser.find_element(By.ID, "chart").is_displayed()
    assert complaints(browser) == []


def test_spending_that_cannot_be_read_is_told_and_can_be_tried_again(
    up: RunningUp, browser: Chrome, spender: str
) -> None:
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/dashboard/spending?*"]})
    open_billing(browser, up, spender)
    told = browser.find_element(By.ID, "spending-told")
    until(lambda: "Your spending cannot be shown" in told.text)
    assert "try again" in told.text
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    told.find_element(By.TAG_NAME, "button").click()
    until(lambda: bars(browser))
    assert told.text == ""
    # That no answer came may be said there, and is nothing of the next test.
    complaints(browser)


def test_an_account_sees_nothing_of_what_another_spent(up: RunningUp, spender: str) -> None:
    period = f"from={day_ago(10)}&to={day_ago(0)}"
    url = f"{up.pages}/dashboard/spending?{period}"
    for stranger in ("spender", f"S{spender[1:]}", f"{spender} "):
        answer = json.loads(read(f"{url}&account={quote(stranger, safe='')}"))
        assert [answer[name] for name in ("balances", "days", "users", "destinations")] == [[], [], [], []]
        assert ledger(up, stranger, user="anna") == []
    assert asked(f"{url}&account=x", Host="rebound.example:80")[0] == 403
    assert asked(f"{url}&account=x", Origin="https://evil.example")[0] == 403
    assert asked(url)[0] == 403
    for wrong in (
        "from=2026-02-30&to=2026-03-01",
        "from=2026-03-02&to=2026-03-01",
        "from=2020-01-01&to=2026-01-01",
        "",
    ):
        assert asked(f"{up.pages}/dashboard/spending?account=x&{wrong}")[0] == 400


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (-1, "-0.000000001"),
        (10**9, "1.00"),
        (-(10**30 + 5), "-1,000,000,000,000,000,000,000.000000005"),
    ],
)
def test_the_page_writes_and_reads_money_exactly(up: RunningUp, browser: Chrome, nanos: int, text: str) -> None:
    open_billing(browser, up, "nobody")
    told, plain = browser.execute_async_script(
        """
        const [amount, done] = arguments;
        import("/dashboard/money.js").then(({money, nanos}) => {
          const told = money(BigInt(amount), "EUR");
          done([told, String(nanos(told.replaceAll(",", "").replace(" EUR", "")))]);
        });
        """,
        str(nanos),
    )
    assert (told, int(plain)) == (f"{text} EUR", nanos)
