"""A headless Chromium, driven by Debian's own chromium-driver. It downloads nothing and calls nobody."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en-GB",
)
WIDE, NARROW = (1100, 720), (390, 844)


class NoChromiumError(Exception):
    """There is no Chromium, or no driver for it, on this machine."""


def without_chromium(reason: str) -> None:
    """Skip the test, or fail it where CI runs: there Chromium has to be."""
    line = f"NOT TESTED IN CHROMIUM: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


@contextmanager
def chromium(folder: Path) -> Iterator[Chrome]:
    """A new browser, its profile and what it downloads in `folder`. Raises NoChromiumError."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise NoChromiumError("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = Chrome(options=options, service=Service(driver))
    try:
        resize(window, WIDE)
        yield window
    finally:
        window.quit()


def resize(window: Chrome, size: tuple[int, int]) -> None:
    """The page's own width and height in pixels, whatever the window's frame takes."""
    width, height = size
    window.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
