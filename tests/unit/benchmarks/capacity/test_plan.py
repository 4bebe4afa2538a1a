"""The plan of capacity: its points are those of the documentation, and its formulas give what was measured another way."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.capacity.plan import (
    IDS_KEPT_DAYS,
    MOST_PARTITIONS,
    POINTS,
    Assumptions,
    Load,
    Points,
    ceiling,
    clickhouse_bytes,
    ids_remembered,
    kafka_bytes,
    needs,
    rater_disk_gigabytes,
    walls,
)
from credit_movements.settings import Settings
from schemas.topics import USAGE_EVENTS

ROOT = Path(__file__).parents[4]
PERFORMANCE = (ROOT / "docs" / "PERFORMANCE.md").read_text()
MEASURED = Points()
LOAD = Load(events_per_second=1_000_000, rows=100e9)
# All of it is used, and each thing once: what was measured is then what one of each can do.
BARE = Assumptions(used=1, secured=0, kafka_copies=1)


def number_of(what: str, load: Load, given: Assumptions = BARE) -> int:
    return {need.what: need.number for need in needs(load, MEASURED, given)}[what]


@pytest.mark.parametrize("name", json.loads(POINTS.read_text()))
def test_a_point_stands_in_the_documentation(name: str) -> None:
    point = json.loads(POINTS.read_text())[name]
    assert point["row"] in (ROOT / point["page"]).read_text(), "the figure was measured anew: copy it into points.json"
    assert f"{point['value']:,}".removesuffix(".0") in point["row"]


@pytest.mark.parametrize(
    ("what", "point", "load"),
    [
        ("raters", "rater_events_per_second", LOAD),
        ("sinks", "sink_rows_per_second", LOAD),
    ],
)
def test_one_of_each_is_enough_for_what_one_was_measured_with_and_no_more(what: str, point: str, load: Load) -> None:
    most = getattr(MEASURED, point)
    assert number_of(what, replace(load, events_per_second=most)) == 1
    assert number_of(what, replace(load, events_per_second=most + 1)) == 2


@pytest.mark.parametrize(
    ("row", "measured", "computed", "tolerance"),
    [
        # A rater's steps one by one, and what Kafka's client takes on its own threads, microseconds.
        (
            "| consume, and take the messages apart | 1.5 | 0.7 |",
            1e6 / (0.7 + 1.1 + 1.4 + 1.2 + 0.1 + 1.0),
            "rater",
            0.05,
        ),
        # The same, by processor time, as prices and ids grow.
        (
            "| an event in a rater, processor | the company's deck / 200,000 prefixes more | 4.96 |",
            1e6 / 4.96,
            "rater",
            0.1,
        ),
        # On another broker.
        ("| rater | 183,398 | 191,390 |", 183_398, "rater", 0.05),
        # A sink's own processor time a row.
        ("The sink: 2.5 us of its own processor time a row", 1e6 / 2.5, "sink", 0.1),
        # Processor seconds of a large export, worker and ClickHouse, on two processors.
        ("| export, processor seconds of both | 14.8 |", 2 * 10_000_000 / 14.8, "export", 0.1),
        # Processor time of a small export, of all who take part in it, on two processors.
        ("A burst of 200 needs 46 to 53 ms of processor time an export", 2 * 1000 / 50, "exports", 0.15),
    ],
)
def test_a_point_agrees_with_what_was_measured_another_way(
    row: str, measured: float, computed: str, tolerance: float
) -> None:
    assert row in PERFORMANCE, "measured anew: see whether the plan still agrees"
    points = {
        "rater": MEASURED.rater_events_per_second,
        "sink": MEASURED.sink_rows_per_second,
        "export": MEASURED.export_rows_per_second,
        "exports": MEASURED.exports_per_second,
    }
    assert points[computed] == pytest.approx(measured, rel=tolerance)


def test_one_core_is_enough_for_a_rater_at_every_rate_that_was_measured() -> None:
    """A rater with little to do takes more for an event, since its batches are small, and never a whole core."""
    assert "kafka 0.46, clickhouse 0.43, rater 0.69," in PERFORMANCE
    assert "kafka 0.71, clickhouse 0.23, rater 0.47," in PERFORMANCE
    assert 50_000 / MEASURED.rater_events_per_processor_second < 0.47 < 1


def test_more_raters_rate_more_until_the_processors_are_used_up() -> None:
    one = ceiling(2, 1, MEASURED, BARE)
    assert one == MEASURED.rater_events_per_second
    assert ceiling(2, 2, MEASURED, BARE) == ceiling(2, 3, MEASURED, BARE) < 2 * one
    assert ceiling(64, 3, MEASURED, BARE) == 3 * one


def test_raters_on_three_brokers_stayed_below_what_two_processors_allow() -> None:
    """The machine had other work too, so the ceiling is all that this can hold."""
    rows = re.findall(r"^\| (\d) raters? \| ([\d,]+) \|", PERFORMANCE, re.MULTILINE)
    assert [count for count, _ in rows] == ["1", "2", "3"]
    for count, measured in rows:
        assert int(measured.replace(",", "")) <= ceiling(2, int(count), MEASURED, Assumptions())


def test_what_is_secured_needs_no_less() -> None:
    plain, secured = (
        {need.what: need.number for need in needs(LOAD, MEASURED, Assumptions(secured=each))} for each in (0, 1)
    )
    assert all(secured[what] >= number for what, number in plain.items())
    assert number_of("raters", LOAD, Assumptions(used=1)) == LOAD.events_per_second * 20 / 1e6


def test_disks_hold_what_the_measured_bytes_say() -> None:
    a_day = Load(events_per_second=1, rows=86_400, days=1)
    assert kafka_bytes(a_day, MEASURED) == pytest.approx(86_400 * (MEASURED.event_bytes + MEASURED.movement_bytes))
    assert clickhouse_bytes(LOAD, MEASURED) == pytest.approx(LOAD.rows * MEASURED.row_bytes)
    assert ids_remembered(LOAD) == pytest.approx(LOAD.events_a_day * IDS_KEPT_DAYS)
    assert rater_disk_gigabytes(LOAD, MEASURED, 1) == pytest.approx(2 * ids_remembered(LOAD) * MEASURED.id_bytes / 1e9)


def test_what_is_kept_how_long_is_what_the_topics_and_settings_say() -> None:
    from benchmarks.capacity import plan

    assert USAGE_EVENTS.retention is not None
    assert USAGE_EVENTS.retention.days == plan.EVENTS_KEPT_DAYS
    assert Settings.model_fields["event_max_age"].default.days == IDS_KEPT_DAYS
    assert f"le={MOST_PARTITIONS}" in str(Settings.model_fields["topic_partitions"].metadata)


@pytest.mark.parametrize("more", ["events_per_second", "rows", "exports_per_second", "export_rows"])
def test_nothing_needs_less_when_the_load_grows(more: str) -> None:
    given = Assumptions()
    small = {need.what: need.number for need in needs(LOAD, MEASURED, given)}
    large = {
        need.what: need.number for need in needs(replace(LOAD, **{more: getattr(LOAD, more) * 50}), MEASURED, given)
    }
    assert all(large[what] >= number for what, number in small.items())
    assert large != small or more == "export_rows"


def test_the_walls_are_told_from_the_nearest_on() -> None:
    day_and_night = Load(events_per_second=1_000_000, rows=1_000_000 * 86_400 * 365)
    for load in (LOAD, day_and_night):
        used = [wall.used for wall in walls(load, MEASURED, Assumptions())]
        assert used == sorted(used, reverse=True)
    nearest, *_ = walls(day_and_night, MEASURED, Assumptions())
    assert "audit" in nearest.what
    assert nearest.used == pytest.approx(8)


def test_the_chapter_shows_what_the_command_prints() -> None:
    command = ["-m", "benchmarks.capacity", "--events-per-second", "1000000", "--rows", "100000000000"]
    printed = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    page = (ROOT / "docs" / "production" / "capacity.md").read_text()
    assert f".venv/bin/python {' '.join(command)}" in page
    assert [line for line in printed.stdout.splitlines() if line and line not in page] == []
