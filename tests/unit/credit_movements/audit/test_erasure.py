"""Numbers and users that ClickHouse no longer has are no difference where it need not have them, and one everywhere else."""

from dataclasses import replace
from pathlib import Path

import pytest

from credit_movements.audit.auditor import Audit
from credit_movements.audit.clickhouse.erasure import Erasure
from tests.unit.credit_movements.audit.test_accounts import DAY, NOW, event
from tests.unit.credit_movements.audit.test_rounds import Working

ACCOUNTS = ("acme", "others")


@pytest.fixture
def working() -> Working:
    """Four movements of each of two accounts, a day apart, all of them proved by nobody yet."""
    values = [
        event(4 * of + number, account_id=account, user_id="anna", occurred_at=NOW - (4 - number) * DAY)
        for of, account in enumerate(ACCOUNTS)
        for number in range(4)
    ]
    working = Working(list(values))
    working.rate(100, False, "", 0)
    working.sink(100, "")
    return working


def forget(working: Working, account: str, before: int = NOW, **fields: object) -> None:
    """As ClickHouse does it."""
    for offset, [row] in working.history.rows.items():
        if row["account_id"] == account and row["occurred_at"] < before:
            working.history.rows[offset] = [row | {"user_id": None, "destination": None} | fields]


def kinds(audit: Audit) -> dict[str, int]:
    return {found.kind.value: found.count for found in audit.differences}


def test_an_erased_account_s_rows_are_what_they_have_to_be_and_stay_proved(working: Working, tmp_path: Path) -> None:
    first = working.history.audit(tmp_path)
    working.history.erasure = Erasure(["acme"])
    forget(working, "acme")
    again = working.history.audit(tmp_path)
    assert (again.holds, again.discarded, again.full_at) == (True, {}, first.full_at)
    assert working.history.audit(tmp_path, full=True).holds


def test_what_nobody_erased_may_not_be_gone(working: Working, tmp_path: Path) -> None:
    forget(working, "acme")
    assert kinds(working.history.audit(tmp_path)) == {"changed_row": 4}
    working.history.erasure = Erasure(["others"])
    assert kinds(working.history.audit(tmp_path)) == {"changed_row": 8}


def test_an_erased_account_s_numbers_that_came_back_are_found(working: Working, tmp_path: Path) -> None:
    working.history.erasure = Erasure(["acme"])
    forget(working, "acme", before=NOW - 2 * DAY)
    assert kinds(working.history.audit(tmp_path)) == {"changed_row": 2}


@pytest.mark.parametrize("is_done", [True, False])
def test_old_rows_may_have_lost_theirs_or_not_yet(working: Working, tmp_path: Path, is_done: bool) -> None:
    working.history.erasure = Erasure(kept_from=NOW - 2 * DAY)
    if is_done:
        forget(working, "acme", before=NOW - 2 * DAY)
    assert working.history.audit(tmp_path).holds
    # As time passes.
    working.history.erasure = replace(working.history.erasure, kept_from=NOW - DAY)
    assert (working.history.audit(tmp_path).discarded, working.history.audit(tmp_path, full=True).holds) == ({}, True)


def test_newer_rows_may_not_have_lost_theirs(working: Working, tmp_path: Path) -> None:
    working.history.erasure = Erasure(kept_from=NOW - 2 * DAY)
    forget(working, "acme")
    assert kinds(working.history.audit(tmp_path)) == {"changed_row": 2}


@pytest.mark.parametrize("fields", [{"credit_movement_nanos": -1}, {"interaction_id": "another"}, {"quantity": 7}])
def test_nothing_else_may_change_with_them(working: Working, tmp_path: Path, fields: dict[str, object]) -> None:
    working.history.erasure = Erasure(["acme"], NOW - 2 * DAY)
    forget(working, "acme", **fields)
    assert kinds(working.history.audit(tmp_path)) == {"changed_row": 4}
