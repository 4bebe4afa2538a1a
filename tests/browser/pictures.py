"""`make pictures`: the documentation's pictures of the dashboard and of a mail, made with the real thing.

`python -m tests.browser.pictures FOLDER [--all]`; `--all` makes those of every state, wide and narrow, to look at.
"""

import json
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from credit_movements.demo.scenario import mails
from credit_movements.settings import load_settings
from tests.acceptance.command import run, running_up
from tests.browser.chromium import NARROW, chromium, resize

ACCOUNT = "brightline-travel"
_TYPES = ("call", "sms", "whatsapp", "stt", "ai-voice-agents")
_PICTURE_WIDTH = 1000


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0])
    wants_all = "--all" in arguments
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made, running_up(Path(made) / "up") as up, chromium(Path(made)) as window:
        where = ("--data-dir", str(up.folder))
        events = Path(made) / "events.jsonl"
        events.write_text("".join(json.dumps(_event(number)) + "\n" for number in range(4_000)))
        run("publish", "usage-events", str(events), *where)
        while " 4000 " not in run("balance", ACCOUNT, *where).stdout:
            time.sleep(0.5)
        resize(window, (_PICTURE_WIDTH, 560))
        window.get(f"{up.pages}/dashboard/?account={ACCOUNT}")
        time.sleep(1)
        # Not by the mouse: its shadow would lie on the button.
        window.execute_script("ask()")
        if wants_all:
            _picture(window, folder / "dashboard-processing.png")
        while not window.find_elements(By.ID, "download"):
            time.sleep(0.1)
        _picture(window, folder / "dashboard.png")
        if wants_all:
            resize(window, NARROW)
            _picture(window, folder / "dashboard-narrow.png")
            resize(window, (_PICTURE_WIDTH, 560))
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


def _event(number: int) -> dict[str, object]:
    kind = _TYPES[number * number % len(_TYPES)]
    quantity = 1 + number * 37 % (3 if kind == "sms" else 1 if kind == "whatsapp" else 600)
    return {
        "event_id": str(uuid.uuid4()), "account_id": ACCOUNT, "interaction_id": f"{kind}-{number}", "usage_type": kind,
        "quantity": quantity, "destination": "+4915112345678", "user_id": None,
        "occurred_at": (datetime.now(UTC) - timedelta(minutes=10 * number)).isoformat(),
    }  # fmt: skip


def _picture(window: Chrome, path: Path) -> None:
    """The whole page, as high as it is."""
    time.sleep(0.3)
    size = window.execute_script("return [innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]")
    resize(window, (size[0], size[1]))
    time.sleep(0.2)
    window.save_screenshot(str(path))


if __name__ == "__main__":
    main(sys.argv[1:])
