"""One `up`, one browser and one account that has spent, for all tests of the dashboard."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.acceptance.command import RunningUp, running_up
from tests.acceptance.dashboard.spender import SPENDER, publish_spender
from tests.browser.chromium import NoChromiumError, chromium, without_chromium


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    with running_up(tmp_path_factory.mktemp("up")) as running:
        yield running


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    try:
        with chromium(tmp_path_factory.mktemp("chromium")) as window:
            yield window
    except NoChromiumError as error:
        without_chromium(str(error))


@pytest.fixture(scope="package")
def spender(up: RunningUp, tmp_path_factory: pytest.TempPathFactory) -> str:
    publish_spender(up, tmp_path_factory.mktemp("spender"))
    return SPENDER
