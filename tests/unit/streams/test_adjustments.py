"""Adjustments have every guarantee of usage events and top-ups: each has one outcome, whatever comes again."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kafka_io.positions import TopicPartition
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS
from streams.dedup.fingerprints import content_hashes
from streams.events.table import EVENT_COLUMNS, SOURCES, STEADY_SOURCES, events_of_movements
from streams.offsets import rated_together
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.test_outcome import DAY, NOW, adjustment, classified, event, only, outcome_of_each, rate, top_up

WRONG = (event()["partition"] + 1) % 12
# Of the version before there were adjustments.
GOLDEN = [17926573352757999247, 7781476877169981082]
OTHER_CONTENT: list[dict[str, Any]] = [
    {"kind": "correction"}, {"amount_nanos": -(10**9)}, {"interaction_id": "another"}, {"occurred_at": NOW - 2 * DAY},
    {"corrected_movement_id": None}, {"corrected_movement_id": "00000000-0000-4000-8000-0000000000ab"}, {"reason": None},
    {"reason": "another"},
    # The same letters, otherwise divided.
    {"corrected_movement_id": None, "reason": "00000000-0000-4000-8000-0000000000aathe line was bad"},
]  # fmt: skip


@pytest.fixture
def kafka(tmp_path: Path) -> KafkaDouble:
    return KafkaDouble(tmp_path / "seen", NOW)


def publish(kafka: KafkaDouble, *records: dict[str, Any]) -> None:
    for record in records:
        kafka.publish(next(each for each in SOURCES if each.name == record["source_topic"]), record, NOW)


def reasons(kafka: KafkaDouble) -> list[str]:
    return [reason for reason, _ in kafka.letters.values()]


@pytest.mark.parametrize(("kind", "amount"), [("refund", 1), ("chargeback", -(10**18) + 1), ("correction", 10**18 - 1)])
def test_it_moves_what_it_says_and_no_unit_is_charged(kind: str, amount: int) -> None:
    made = adjustment(kind=kind, amount_nanos=amount)
    line = only(classified([made], [rate()]))
    assert line["description"] == kind
    assert line["credit_movement_nanos"] == amount
    assert (line["corrected_movement_id"], line["reason"]) == (made["corrected_movement_id"], made["reason"])
    assert [line[name] for name in ("quantity", "unit", "units_charged", "price_nanos", "price_units")] == [
        0,
        "",
        0,
        0,
        1,
    ]
    assert [line[name] for name in ("destination_prefix", "rate_effective_from", "currency")] == [None, None, "EUR"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "top-up"}, "invalid_event"),
        ({"kind": "call"}, "invalid_event"),
        ({"corrected_movement_id": "0000"}, "invalid_event"),
        ({"reason": "x" * 1025}, "invalid_event"),
        ({"amount_nanos": 0}, "amount_out_of_range"),
        ({"amount_nanos": 10**18}, "amount_out_of_range"),
        ({"amount_nanos": -(10**18)}, "amount_out_of_range"),
        ({"amount_nanos": -(2**63)}, "amount_out_of_range"),
        ({"currency": "USD"}, "currency_mismatch"),
        ({"account_id": "acme", "partition": WRONG}, "wrong_partition"),
    ],
)
def test_what_is_wrong_with_it_is_named(fields: dict[str, Any], reason: str) -> None:
    assert outcome_of_each(classified([adjustment(**fields)], [rate()]), 1) == [("refused", reason)]


def test_what_comes_before_adjustments_keeps_its_hash() -> None:
    """Stores on disk have these."""
    table = pl.DataFrame([event(7, user_id="u"), top_up(8)], schema=EVENT_COLUMNS)
    assert content_hashes(table).tolist() == GOLDEN
    with_another = pl.concat([table[:1], pl.DataFrame([adjustment()], schema=EVENT_COLUMNS), table[1:]])
    assert content_hashes(with_another).tolist()[::2] == GOLDEN


def test_the_log_gives_the_content_of_an_event_back() -> None:
    events = [event(1), top_up(2), adjustment(3), adjustment(4, corrected_movement_id=None, reason=None)]
    table = pl.DataFrame(events, schema=EVENT_COLUMNS)
    movements = classified(events, [rate()]).movements
    assert content_hashes(events_of_movements(movements)).tolist() == content_hashes(table).tolist()


@pytest.mark.parametrize("store", ["kept", "lost"])
def test_the_same_again_is_dropped_and_other_content_is_a_conflict(kafka: KafkaDouble, store: str) -> None:
    publish(kafka, event(1), top_up(2), adjustment(3))
    kafka.rater().catch_up()
    if store == "lost":
        shutil.rmtree(kafka.folder, ignore_errors=True)
    publish(kafka, adjustment(3), *(adjustment(3, **other) for other in OTHER_CONTENT))
    kafka.rater().catch_up()
    assert [line["movement_id"][-1] for line in kafka.log] == ["1", "2", "3"]
    assert reasons(kafka) == ["conflict"] * len(OTHER_CONTENT)
    assert [offset for _, offset in kafka.letters] == list(range(2, 2 + len(OTHER_CONTENT)))


@pytest.mark.parametrize("first", [event, top_up, adjustment])
def test_an_id_that_another_topic_has_is_a_conflict(kafka: KafkaDouble, first: Any) -> None:
    publish(kafka, first(3))
    kafka.rater().catch_up()
    publish(kafka, *(make(3) for make in (event, top_up, adjustment) if make is not first))
    kafka.rater().catch_up()
    assert [line["source_topic"] for line in kafka.log] == [first(3)["source_topic"]]
    assert reasons(kafka) == ["conflict", "conflict"]


def test_those_that_lie_there_when_a_group_first_reads_them_are_rated(kafka: KafkaDouble) -> None:
    """An upgrade: the log is full, its partition has no offset for them, and people have begun to publish."""
    publish(kafka, event(1), top_up(2))
    kafka.rater().catch_up()
    kafka.committed = {each: at for each, at in kafka.committed.items() if each.topic != ADJUSTMENT_EVENTS.name}
    publish(kafka, adjustment(3), adjustment(3))
    kafka.rater().catch_up()
    assert [line["movement_id"][-1] for line in kafka.log] == ["1", "2", "3"]
    assert kafka.letters == {}


def test_a_note_of_an_earlier_version_is_taken(kafka: KafkaDouble) -> None:
    """It says nothing of adjustments. The store reads back no more than it needs all the same."""
    for number, at in ((1, NOW - 400 * DAY), (2, NOW)):
        kafka.now_micros = at
        kafka.publish(USAGE_EVENTS, event(number, occurred_at=at), at, 2)
        kafka.publish(TOP_UP_EVENTS, top_up(100 + number, occurred_at=at), at, 2)
        kafka.rater().catch_up()
    kafka.committed = {each: at for each, at in kafka.committed.items() if each.topic != ADJUSTMENT_EVENTS.name}
    shutil.rmtree(kafka.folder, ignore_errors=True)
    running = kafka.rater()
    running.turn()
    assert len(running.rater._assignment.stores[0]) == 2


def test_beside_an_earlier_version_adjustments_wait_where_another_has_the_store() -> None:
    mine = [TopicPartition(topic.name, number) for topic in STEADY_SOURCES for number in (2, 3)]
    shared = [TopicPartition(ADJUSTMENT_EVENTS.name, number) for number in (0, 1, 2)]
    assert rated_together([*mine, *shared]) == [*mine, TopicPartition(ADJUSTMENT_EVENTS.name, 2)]
    assert rated_together(shared) == []
