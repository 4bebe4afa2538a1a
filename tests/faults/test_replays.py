"""What is read from the log again changes nothing: ClickHouse is a projection of it, and can be wiped and rebuilt."""

import pytest

from tests.faults.world import World
from tests.integration.records import DAY, YESTERDAY

# Always in another month than yesterday, and not too old to be charged.
A_MONTH_BEFORE = YESTERDAY - 32 * DAY
EVENTS, MOVEMENTS = 600, 660


@pytest.fixture
def stored(world: World) -> World:
    """Everything is rated and stored: movements of two months, so that each block lies in two partitions of ClickHouse."""
    world.publish(0, EVENTS // 2)
    world.publish(EVENTS // 2, EVENTS // 2, occurred_at=A_MONTH_BEFORE)
    world.stack.rate_everything()
    world.store_everything()
    assert world.checksum().rows == world.written() == MOVEMENTS
    return world


def months(world: World) -> int:
    return int(world.client.query("SELECT uniqExact(toYYYYMM(occurred_at)) FROM credit_movements").result_rows[0][0])


def test_the_log_replayed_onto_a_full_clickhouse_changes_nothing(stored: World) -> None:
    before = stored.checksum()
    stored.move_sink_back()
    stored.store_everything()
    assert stored.written() == 2 * MOVEMENTS
    assert months(stored) == 2
    assert stored.checksum() == before


def test_blocks_across_two_months_count_once_when_they_are_cut_differently_the_second_time(stored: World) -> None:
    before = stored.checksum()
    stored.settings = stored.settings.model_copy(update={"sink_batch_size": 77})
    stored.move_sink_back()
    stored.store_everything()
    assert months(stored) == 2
    assert stored.checksum() == before


def test_duplicates_stay_uncounted_when_clickhouse_has_merged_them_away(stored: World) -> None:
    before = stored.checksum()
    stored.move_sink_back()
    stored.store_everything()
    stored.client.command("SYSTEM START MERGES credit_movements")
    stored.client.command("OPTIMIZE TABLE credit_movements FINAL")
    assert stored.written() == MOVEMENTS
    assert stored.checksum() == before


def test_offsets_moved_back_in_one_partition_alone_change_nothing(stored: World) -> None:
    before, ends = stored.checksum(), stored.sink_committed()
    partition = max(ends, key=lambda number: ends[number])
    stored.move_sink_back([partition], ends[partition] // 2)
    stored.store_everything()
    assert MOVEMENTS < stored.written() < 2 * MOVEMENTS
    assert stored.checksum() == before
    assert stored.sink_committed() == ends


def test_a_wiped_clickhouse_is_rebuilt_from_the_log_row_for_row(stored: World) -> None:
    before = stored.checksum()
    stored.client.command("TRUNCATE TABLE credit_movements")
    stored.move_sink_back()
    stored.store_everything()
    assert stored.written() == MOVEMENTS
    assert stored.checksum() == before
