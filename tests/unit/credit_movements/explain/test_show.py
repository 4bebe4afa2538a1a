"""An explanation as text and as JSON."""

import json
from typing import Any

from credit_movements.explain.explanation import Copy, Explanation, Fate, HeldBy, Place, Record, Searched
from credit_movements.explain.ledger_check import against_ledger
from credit_movements.explain.show import as_json, show
from kafka_io.positions import TopicPartition
from tests.unit.credit_movements.explain.explained import AT, movement, rate, rated

PLACE = Place(TopicPartition("usage-events", 3), 17)


def explanation(fields: dict[str, Any] | None = None, **more: Any) -> Explanation:
    call = rated(rate())
    moved = movement(call)
    steps, disagreements = against_ledger(moved, [call], None)
    record = Record(PLACE, AT, {"event_id": moved["movement_id"], **(fields or {})}, b"")
    found = Explanation(
        moved["movement_id"], Copy(record, Fate.MOVEMENT, "rated"), [], [Searched("usage-events", 1, 5, 9)], moved,
        disagreements, steps, "a,line",
    )  # fmt: skip
    for name, value in more.items():
        setattr(found, name, value)
    return found


def text_of(found: Explanation) -> str:
    lines: list[str] = []
    show(found, lines.append)
    return "\n".join(lines)


def refund(nanos: int) -> dict[str, Any]:
    return movement(rated(rate()), description="refund", credit_movement_nanos=nanos, reason="the line was bad")


def test_the_json_is_the_contract_s() -> None:
    found = json.loads(json.dumps(as_json(explanation({"amount_nanos": 25 * 10**9, "occurred_at": AT}))))
    assert {"event", "outcome", "movement", "steps", "adjustments"} <= set(found)
    assert found["outcome"] == "movement"
    assert found["event"]["fields"]["amount"] == "25"
    assert found["event"]["fields"]["occurred_at"] == "2026-10-26T07:33:20Z"
    assert found["movement"]["credit_movement"] == "-0.0976"
    assert all(set(step) == {"name", "value", "why"} for step in found["steps"])


def test_the_text_has_all_of_it() -> None:
    held = HeldBy("an-export", AT, "a-file.csv", None)
    text = text_of(explanation(adjustments=[refund(97_600_000)], exports=[held]))
    for part in (
        "usage-events/3@17",
        "a,line",
        "refund 0.0976 EUR",
        "the line was bad",
        "a-file.csv",
        "5 of 9 records",
    ):
        assert part in text
    assert "!!!" not in text


def test_adjustments_that_exceed_the_movement_are_told_loudly() -> None:
    found = explanation(adjustments=[refund(97_600_000), refund(1)])
    assert "!!! THEY EXCEED IT: 0.097600001 against 0.0976" in text_of(found)
    assert as_json(found)["adjusted"] == {
        "amount": "0.097600001", "given_back": "0.097600001", "left": "0", "exceeds": True,
    }  # fmt: skip


def test_how_much_is_left_to_give_back() -> None:
    found = explanation(adjustments=[refund(97_000_000)])
    assert "at most 0.0006 EUR to give back" in text_of(found)
    assert as_json(found)["adjusted"]["left"] == "0.0006"


def test_a_disagreement_is_told_loudly() -> None:
    assert "!!! THE LEDGER AND THE PUBLISHED PRICES DISAGREE" in text_of(explanation(disagreements=["price is 1"]))


def test_an_id_from_outside_cannot_command_the_terminal() -> None:
    text = text_of(explanation({"interaction_id": "\x1b[2J\r\n\u202evil"}))
    assert "\\x1b[2J\\r\\n\\u202evil" in text


def test_a_storage_that_could_not_be_asked_is_not_an_empty_one() -> None:
    found = explanation(exports=None, exports_why="no bucket")
    assert "not known: no bucket" in text_of(found)
    assert as_json(found)["exports"] is None
