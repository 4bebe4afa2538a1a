"""Sums of blocks with one guarantee broken each, and the checks that must notice: see `sabotages`."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from credit_movements import clickhouse
from credit_movements.settings import Settings
from sinks.read import totals
from sinks.read.summed import reach
from sinks.read.summed.reach import Reach
from sinks.write import erase
from sinks.write.sums import roll_up
from tests.integration.sink import test_repeats, test_sums

Fixture = Callable[[str], Any]


def part_of_a_block_for_the_whole(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll_up, "_block_after", lambda offset, size: offset - offset % size)


def a_step_back_goes_unnoticed(patch: pytest.MonkeyPatch) -> None:
    def note(gathered: Any, _: Any, reached: int) -> None:
        gathered.next_offset = max(gathered.next_offset, reached)

    patch.setattr(roll_up._Gathered, "note", note)


def sums_behind_the_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reach, "below", lambda reach, _: reach.reached)


def other_logs_are_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    for module in (reach, totals):
        patch.setattr(module, "with_other_movements", lambda *_: ())


def users_stay_in_sums(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(erase, "delete_users", lambda *_: None)


def repeats_go_unnoticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll_up.RollUp, "note_repeats", lambda *_: None)


def sums_leave_no_hole(fixture: Fixture) -> None:
    rows = test_sums.made(250)
    with _client(fixture) as client:
        test_sums.insert(client, rows[:150])
        test_sums.sink(client, rows, first=150)
        test_sums.check(client, rows, by=())


def a_step_back_counts_nothing_twice(fixture: Fixture) -> None:
    with _client(fixture) as client:
        test_sums.test_after_a_step_back_in_the_log_nothing_is_counted_twice_or_missed(client)


def a_movement_that_the_log_has_twice_counts_once(fixture: Fixture) -> None:
    with _client(fixture) as client:
        test_repeats.test_a_movement_that_the_log_has_twice_counts_once(client, step=70, crashes=False)


def opening_balances_are_those_of_their_place(fixture: Fixture) -> None:
    with _client(fixture) as client:
        test_sums.test_the_opening_balance_at_a_place_in_the_log_is_the_same_before_and_after_there_are_sums(client)


def an_event_of_two_logs_counts_once(fixture: Fixture) -> None:
    rows = test_sums.made(350)
    with _client(fixture) as client:
        test_sums.sink(client, rows[:300], log_id="before")
        # The embedded log has begun anew: some events come again, at other offsets, and new ones.
        test_sums.sink(client, rows[100:], log_id="now")
        test_sums.check(client, rows, by=())


def erased_users_have_no_sums(fixture: Fixture) -> None:
    with _client(fixture) as client:
        test_sums.test_sums_by_user_go_with_the_users_of_an_erased_account(client)


@contextmanager
def _client(fixture: Fixture) -> Iterator[Client]:
    # Not the client of the fault tests, which stops merges: an erasure waits for them.
    with closing(clickhouse.client(Settings(clickhouse_dsn=fixture("dsn")))) as client:
        yield client


SABOTAGES = [
    ("a part of a block is taken for the whole", part_of_a_block_for_the_whole, sums_leave_no_hole),
    ("a step back in the log goes unnoticed", a_step_back_goes_unnoticed, a_step_back_counts_nothing_twice),
    (
        "a movement that the log has twice is in two sums",
        repeats_go_unnoticed,
        a_movement_that_the_log_has_twice_counts_once,
    ),
    ("sums behind a place in the log are taken", sums_behind_the_place, opening_balances_are_those_of_their_place),
    ("movements of other logs are not looked for", other_logs_are_not_looked_for, an_event_of_two_logs_counts_once),
    ("sums by user outlive an erasure", users_stay_in_sums, erased_users_have_no_sums),
]
