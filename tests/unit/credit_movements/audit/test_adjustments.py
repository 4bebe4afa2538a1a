"""An audit holds adjustments against the log as it does the other events."""

from pathlib import Path
from typing import Any

import pytest

from schemas.topics import CREDIT_MOVEMENTS
from tests.unit.credit_movements.audit.history import History
from tests.unit.credit_movements.audit.spoiled import CODECS
from tests.unit.credit_movements.audit.test_accounts import NOW, RATE
from tests.unit.streams.test_outcome import adjustment, classified

DAY = 86_400 * 10**6
MADE = adjustment(1, occurred_at=NOW - DAY, partition=0, newest_at=NOW, recorded_at=NOW)


def record(**fields: Any) -> dict[str, Any]:
    """As a publisher writes it."""
    made = {**MADE, "movement_id": MADE["corrected_movement_id"], **fields}
    return {name: made[name] for name in (
        "event_id", "account_id", "interaction_id", "kind", "amount_nanos", "currency", "movement_id", "reason", "occurred_at",
    )}  # fmt: skip


def moved(**fields: Any) -> dict[str, Any]:
    outcome = classified([adjustment(1, occurred_at=NOW - DAY, newest_at=NOW, recorded_at=NOW)], [RATE])
    line: dict[str, Any] = outcome.movements.row(0, named=True)
    assert line.keys() == CODECS[CREDIT_MOVEMENTS.name].dtypes.keys()
    return {**line, "source_partition": 0, **fields}


@pytest.fixture
def history() -> History:
    return History([RATE])


def holds(history: History, folder: Path) -> bool:
    history.store(100)
    return history.audit(folder).holds


def test_one_with_its_movement_and_one_that_is_repeated_are_in_order(history: History, tmp_path: Path) -> None:
    history.adjust(record(), moved())
    history.adjust(record(), None)
    assert holds(history, tmp_path)


def test_one_without_an_outcome_is_found(history: History, tmp_path: Path) -> None:
    history.adjust(record(), None)
    assert not holds(history, tmp_path)


def test_one_that_is_booked_twice_is_found(history: History, tmp_path: Path) -> None:
    history.adjust(record(), moved())
    history.adjust(record(), moved())
    assert not holds(history, tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "correction"},
        {"credit_movement_nanos": 2 * 10**9},
        {"credit_movement_nanos": -(10**9)},
        {"corrected_movement_id": None},
        {"reason": None},
        {"interaction_id": "another"},
    ],
)
def test_a_movement_that_says_otherwise_than_its_event_is_found(
    history: History, tmp_path: Path, fields: dict[str, Any]
) -> None:
    history.adjust(record(), moved(**fields))
    assert not holds(history, tmp_path)


@pytest.mark.parametrize("fields", [{"corrected_movement_id": None}, {"reason": "another"}])
def test_a_row_that_says_otherwise_than_its_movement_is_found(
    history: History, tmp_path: Path, fields: dict[str, Any]
) -> None:
    history.adjust(record(), moved())
    history.store(100)
    history.rows[0] = [{**history.rows[0][0], **fields}]
    assert not history.audit(tmp_path).holds
