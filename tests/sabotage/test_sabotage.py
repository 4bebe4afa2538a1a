"""A test that cannot fail proves nothing. So each guarantee is broken on purpose, and its check must fail."""

import pytest

from tests.sabotage import alerts, sabotages
from tests.sabotage.sabotages import SABOTAGES, Check, Sabotage

every_sabotage = pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
checks_once = list({sabotage.check.__name__: sabotage.check for sabotage in SABOTAGES}.values())


@pytest.mark.parametrize("check", checks_once, ids=lambda check: check.__name__)
def test_the_check_passes_on_the_production_code(check: Check, request: pytest.FixtureRequest) -> None:
    check(request.getfixturevalue)


@every_sabotage
def test_the_check_fails_under_sabotage(
    sabotage: Sabotage, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage.apply(monkeypatch)
    with pytest.raises(AssertionError):
        sabotage.check(request.getfixturevalue)


@every_sabotage
def test_the_table_tells_of_it(sabotage: Sabotage) -> None:
    tables = f"{sabotages.__doc__}\n{alerts.__doc__}".splitlines()
    rows = [line for line in tables if sabotage.name in line]
    assert [sabotage.check.__name__ in row for row in rows] == [True]
