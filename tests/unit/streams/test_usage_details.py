"""What a usage event says beside its price: carried to the movement, part of its content, and no part of the price."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.topics import USAGE_EVENTS
from streams.dedup.fingerprints import content_hashes
from streams.events.table import EVENT_COLUMNS, events_of_movements
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.test_outcome import NOW, adjustment, classified, event, only, outcome_of_each, rate, top_up

DETAILS = {"direction": "inbound", "from_number": "+4930123456", "campaign_id": "spring"}
CARRIED = (*DETAILS, "destination_name")


def of(line: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    return [line[name] for name in names]


def test_the_movement_carries_it_and_costs_the_same() -> None:
    rates = [rate(destination_name="Germany")]
    line, bare = only(classified([event(**DETAILS)], rates)), only(classified([event()], rates))
    assert of(line, CARRIED) == [*DETAILS.values(), "Germany"]
    assert of(bare, CARRIED) == [None, None, None, "Germany"]
    assert {name: line[name] for name in line.keys() - DETAILS.keys()} == {
        name: bare[name] for name in bare.keys() - DETAILS.keys()
    }


def test_what_has_no_rate_has_no_destinations_name_and_a_long_one_is_cut() -> None:
    movements = classified([top_up(1), adjustment(2), event(3)], [rate(destination_name="ü" * 500)]).movements
    assert movements["destination_name"].to_list() == [None, None, "ü" * 128]


@pytest.mark.parametrize(
    "wrong",
    [
        {"direction": ""}, {"direction": "Outbound"}, {"direction": "internal"}, {"from_number": ""},
        {"from_number": "9" * 129}, {"campaign_id": ""}, {"campaign_id": "c" * 129},
    ],
)  # fmt: skip
def test_what_is_out_of_form_is_refused(wrong: dict[str, Any]) -> None:
    events = [event(1), event(2, **{**DETAILS, **wrong}), event(3, **DETAILS)]
    outcomes = outcome_of_each(classified(events, [rate()]), 3)
    assert [kind for kind, _ in outcomes] == ["movement", "refused", "movement"]
    assert outcomes[1][1] == "invalid_event"


def test_each_is_a_part_of_the_content_and_comes_back_from_the_log() -> None:
    events = [
        event(1),
        event(1, **DETAILS),
        *(event(1, **{name: "outbound"}) for name in DETAILS),
        top_up(2),
        adjustment(3),
    ]
    table = pl.DataFrame(events, schema=EVENT_COLUMNS)
    hashes = content_hashes(table).tolist()
    assert len(set(hashes)) == len(events)
    movements = pl.concat(classified([each], [rate()]).movements for each in events)
    assert content_hashes(events_of_movements(movements)).tolist() == hashes
    # However they come together.
    assert [int(content_hashes(table[row : row + 1])[0]) for row in range(len(table))] == hashes


def test_the_same_again_is_dropped_and_another_direction_is_a_conflict(tmp_path: Path) -> None:
    kafka = KafkaDouble(tmp_path / "seen", NOW)
    for record in (
        event(1, **DETAILS),
        event(1, **DETAILS),
        event(1, **{**DETAILS, "direction": "outbound"}),
        event(1),
    ):
        kafka.publish(USAGE_EVENTS, record, NOW)
    kafka.rater().catch_up()
    assert [reason for reason, _ in kafka.letters.values()] == ["conflict", "conflict"]


def test_what_came_before_keeps_its_hash() -> None:
    """Of an adjustment and of a usage event without any of this; stores on disk have these."""
    table = pl.DataFrame([adjustment(9), event(7, user_id="u")], schema=EVENT_COLUMNS)
    assert content_hashes(table).tolist() == [1349841310574298846, 17926573352757999247]
