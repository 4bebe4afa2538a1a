"""`make pictures`: the documentation's pictures of the dashboard and of a mail, made with the real thing.

`python -m tests.browser.pictures FOLDER [--all]`; `--all` makes those of every state, wide and narrow, to look at.
"""

import base64
import json
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from credit_movements.demo.scenario import mails
from credit_movements.settings import load_settings
from exporter.storage.keys import FILES
from tests.acceptance.command import run, running_up
from tests.browser.chromium import NARROW, chromium, resize
from tests.integration.spreadsheet.libreoffice import printed

ACCOUNT = "brightline-travel"
_TYPES = ("call", "call", "sms", "whatsapp", "stt", "ai-voice-agents", "call", "sms")
_USERS = ("anna", "ben", "chiara", "dmitri", "elif", "support-desk", "night-desk", "fleet", "reception", "sales", None)
_NUMBERS = ("+4915112345678", "+4930123456", "+442079460000", "+12025550100", "+33142688000", "+390669812345")
_PICTURE_WIDTH, _SHEET_WIDTH, _SHEET_HEIGHT = 1000, 1800, 560
_PDF_SECONDS = 6.0
# Without the page's margins and the viewer's frame.
_LINES_OF_SHEET = {"x": 48, "y": 70, "width": 1704, "height": 280, "scale": 1}
_EVENTS, _MINUTES_APART, _STOLEN = 4_000, 10, 8


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0])
    wants_all = "--all" in arguments
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made, running_up(Path(made) / "up") as up, chromium(Path(made)) as window:
        where = ("--data-dir", str(up.folder))
        _publish(Path(made), where, "top-up-events", [_top_up()])
        _wait_for(1, where)
        # As they happened, so that the watch knows what is usual before it sees what is not.
        usual = [_event(number) for number in reversed(range(_EVENTS))]
        _publish(Path(made), where, "usage-events", [*usual, *map(_stolen, range(_STOLEN))])
        _wait_for(1 + _EVENTS + _STOLEN, where)
        resize(window, (_PICTURE_WIDTH, 560))
        window.get(f"{up.pages}/dashboard/?account={ACCOUNT}")
        while not window.find_element(By.ID, "alerts").is_displayed():
            time.sleep(1)
            window.refresh()
        # Not by the mouse: its shadow would lie on the button.
        window.execute_script("document.getElementById('export').click()")
        if wants_all:
            _picture(window, folder / "dashboard-processing.png")
        while not window.find_elements(By.ID, "download"):
            time.sleep(0.1)
        _picture(window, folder / "dashboard.png", "spending")
        _spending(window, folder, wants_all)
        if wants_all:
            run("request-export", ACCOUNT, "--wait", "--time-zone", "Mars/Olympus", *where)
            window.refresh()
            time.sleep(2)
            _picture(window, folder / "dashboard-failed.png")
        for number, eml in enumerate(mails(load_settings(up.folder), Path(made))):
            name = ("mail", "mail-failed")[number]
            resize(window, (760, 400))
            window.get(eml.with_suffix(".html").as_uri())
            _picture(window, folder / f"{name}.png")
            if wants_all:
                resize(window, NARROW)
                _picture(window, folder / f"{name}-narrow.png")
        # It makes a mail more.
        _sheet(window, folder, up.folder, where)


def _event(number: int) -> dict[str, object]:
    at = datetime.now(UTC) - timedelta(minutes=_MINUTES_APART * number)
    # By day some types more than others, and less at weekends.
    kind = _TYPES[(number * number + number // 144 * 7) % len(_TYPES)]
    quantity = 1 + number * 37 % (3 if kind == "sms" else 1 if kind == "whatsapp" else 600 if at.weekday() < 5 else 150)
    return {
        "event_id": str(uuid.uuid4()), "account_id": ACCOUNT, "interaction_id": f"{kind}-{number}", "usage_type": kind,
        "quantity": quantity, "destination": _NUMBERS[number * 13 % 31 % len(_NUMBERS)],
        "user_id": _USERS[number * 17 % 53 % len(_USERS)], **_said_of(kind, number),
        "occurred_at": at.isoformat(),
    }  # fmt: skip


def _said_of(kind: str, number: int) -> dict[str, object]:
    if kind in ("stt", "ai-voice-agents"):
        return {}
    return {
        "direction": "outbound", "from_number": f"+4930555{number % 3:04}",
        "campaign_id": "autumn-sale" if kind != "call" and number % 2 else None,
    }  # fmt: skip


def _top_up() -> dict[str, object]:
    return {
        "event_id": str(uuid.uuid4()), "account_id": ACCOUNT, "interaction_id": "payment-1", "currency": "EUR",
        "amount_nanos": 2_500 * 10**9, "occurred_at": (datetime.now(UTC) - timedelta(days=29)).isoformat(),
    }  # fmt: skip


def _stolen(number: int) -> dict[str, object]:
    """A call of somebody who has the night desk's password, to where a minute is dear."""
    at = datetime.now(UTC) - timedelta(minutes=9 - number)
    return {
        **_event(0), "event_id": str(uuid.uuid4()), "interaction_id": f"call-x{number}", "usage_type": "call",
        "destination": "+18765550100", "user_id": "night-desk", "quantity": 1_800, "occurred_at": at.isoformat(),
    }  # fmt: skip


def _publish(folder: Path, where: tuple[str, ...], topic: str, events: list[dict[str, object]]) -> None:
    file = folder / f"{topic}.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    run("publish", topic, str(file), *where)


def _wait_for(movements: int, where: tuple[str, ...]) -> None:
    while f" {movements} " not in run("balance", ACCOUNT, *where).stdout:
        time.sleep(0.5)


def _spending(window: Chrome, folder: Path, wants_all: bool) -> None:
    """The movements of a bar, then the page in the dark on a narrow screen; and, if wanted, the whole of it."""
    window.execute_script("document.getElementById('chart').focus()")
    for key in (Keys.END, Keys.UP, Keys.ENTER):
        window.switch_to.active_element.send_keys(key)
    time.sleep(2)
    _picture(window, folder / "spending.png", "movements", "movements")
    if wants_all:
        _picture(window, folder / "spending-whole.png")
    window.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    if wants_all:
        _picture(window, folder / "spending-whole-dark.png")
    resize(window, NARROW)
    _picture(window, folder / "spending-dark.png", "spending", "alerts")
    if wants_all:
        _picture(window, folder / "spending-narrow.png")
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    resize(window, (_PICTURE_WIDTH, 560))


def _sheet(window: Chrome, folder: Path, data: Path, where: tuple[str, ...]) -> None:
    """The beginning of a detailed sheet, as LibreOffice prints it."""
    begin = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    options = ("--columns", "detailed", "--format", "xlsx", "--period-from", begin, "--time-zone", "Europe/Berlin")
    run("request-export", ACCOUNT, "--wait", *options, *where)
    files = (data / "exports" / FILES).rglob("*.csv")
    newest = max(files, key=lambda file: file.stat().st_mtime)
    sheet = data / "sheet.xlsx"
    sheet.write_bytes(newest.read_bytes())
    resize(window, (_SHEET_WIDTH, _SHEET_HEIGHT))
    window.get(printed(sheet, data).as_uri() + "#toolbar=0&navpanes=0&view=FitH")
    # The browser's viewer of PDF tells nobody when it is done.
    time.sleep(_PDF_SECONDS)
    taken = window.execute_cdp_cmd("Page.captureScreenshot", {"clip": _LINES_OF_SHEET, "format": "png"})
    (folder / "detailed.png").write_bytes(base64.b64decode(taken["data"]))
    resize(window, (_PICTURE_WIDTH, 560))


def _picture(window: Chrome, path: Path, last: str | None = None, first: str | None = None) -> None:
    """The whole page, as high as it is; or from the part `first` to the part `last` of it."""
    time.sleep(0.3)
    width, height = window.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    resize(window, (width, max(height, window.execute_script("return innerHeight"))))
    time.sleep(0.3)
    top, bottom = window.execute_script(
        """
        const [first, last] = [...arguments].map((id) => document.getElementById(id)?.getBoundingClientRect());
        return [first ? first.top - 16 : 0, last ? last.bottom + 16 : innerHeight];
        """,
        first, last,
    )  # fmt: skip
    clip = {"x": 0, "y": top, "width": width, "height": bottom - top, "scale": 1}
    taken = window.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "format": "png"})
    path.write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    main(sys.argv[1:])
