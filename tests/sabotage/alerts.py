"""The sabotages of alerts, and their checks.

| sabotage | what it breaks | what catches it |
|---|---|---|
| ids of alerts by chance | an alert that is raised again looks like another one | `the_same_log_raises_the_same_alerts` |
| told alerts are not read back | offsets that are set back tell all of it again | `offsets_set_back_tell_nothing_twice` |
| a judge begins where the offset is | what an account had is not in its balance | `a_restarted_watch_knows_the_balances` |
| a judge's file is ahead of the offset | what lies between is never told | `an_alert_of_an_aborted_commit_is_told` |
| alerts go with an aborted commit | they are never told | `alerts_and_offsets_go_together` |
| a second watch tells what the first has told | all of it is told again | `whoever_takes_over_tells_what_is_new` |
| each watch dead-letters all wrong settings | one is a dead letter again and again | `wrong_settings_are_letters_once` |
| half of the floor is enough for one call | a call that was long by chance is told | `few_calls_need_the_whole_floor` |
| any movement counts however often it is shown | a balance is too low | `a_repeated_movement_counts_once` |
| an account is told without a bound | one theft is a flood of mails | `a_theft_over_many_lines_is_told_three_times` |
"""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kafka_io.transactions import AbortedError
from streams.alerts.judging import judge, spending
from streams.alerts.judging.alerts import Alert
from streams.alerts.judging.judge import Judge
from streams.alerts.judging.repeats import RecentMovements
from streams.alerts.partitions import WatchedPartition, WatchedPartitions
from streams.alerts.watch import Watch
from streams.dedup.fingerprints import Hashes
from tests.unit.streams.alerts import test_told_once
from tests.unit.streams.alerts.judging import test_judge
from tests.unit.streams.alerts.watch_double import WatchDouble

Fixture = Callable[[str], Any]


def ids_by_chance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Alert, "alert_id", property(lambda _: str(uuid.uuid4())))


def told_not_read_back(patch: pytest.MonkeyPatch) -> None:
    honest = WatchedPartitions.read_told
    patch.setattr(WatchedPartitions, "read_told", lambda partitions, _: honest(partitions, lambda __: set()))


def begin_at_the_offset(patch: pytest.MonkeyPatch) -> None:
    def begun(_: WatchedPartitions, __: int, committed: int) -> WatchedPartition:
        return WatchedPartition(Judge(), committed, committed, committed, committed)

    patch.setattr(WatchedPartitions, "_begun", begun)


def file_ahead_of_the_offset(patch: pytest.MonkeyPatch) -> None:
    def begun(partitions: WatchedPartitions, number: int, committed: int) -> WatchedPartition:
        kept = partitions._given_up.get(number)
        begins = honest(partitions, number, committed if kept is None else max(committed, kept.next_offset))
        begins.silent_until = max(begins.next_offset, committed)
        return begins

    honest = WatchedPartitions._begun
    patch.setattr(WatchedPartitions, "_begun", begun)


def taken_over_without_silence(patch: pytest.MonkeyPatch) -> None:
    def begun(partitions: WatchedPartitions, number: int, committed: int) -> WatchedPartition:
        begins = honest(partitions, number, committed)
        begins.silent_until, begins.told = 0, set()
        return begins

    honest = WatchedPartitions._begun
    patch.setattr(WatchedPartitions, "_begun", begun)


def alerts_go_with_the_commit(patch: pytest.MonkeyPatch) -> None:
    def tell(watch: Watch, **how: Any) -> None:
        try:
            honest(watch, **how)
        except AbortedError:
            for partition in watch._partitions.now.values():
                partition.to_tell = []
            raise

    honest = Watch._tell
    patch.setattr(Watch, "_tell", tell)


def repeats_count(patch: pytest.MonkeyPatch) -> None:
    def are_new(_: RecentMovements, ids: Hashes) -> Any:
        return np.ones(len(ids), dtype=bool)

    patch.setattr(RecentMovements, "are_new", are_new)


def all_wrong_settings_are_letters(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WatchedPartitions, "to_dead_letter", lambda _, refused: list(refused))


def half_is_enough_for_one_call(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spending, "SEVERAL", 1)


def told_without_a_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judge, "MOST_TOLD_A_DAY", 1_000)


def the_same_log_raises_the_same_alerts(_: Fixture) -> None:
    thefts = [test_judge.movement(100, 20, 2, -100 * test_judge.UNIT)]
    first, second = ([each.alert_id for each in test_judge.judged(Judge(), history)]
                     for history in [[*test_judge.steady(20), *thefts]] * 2)  # fmt: skip
    assert first == second != []


def offsets_set_back_tell_nothing_twice(fixture: Fixture) -> None:
    kafka = WatchDouble(fixture("tmp_path") / "watch")
    test_told_once.test_a_watch_that_is_started_anew_tells_what_is_new_and_nothing_else(kafka, True, True)


def whoever_takes_over_tells_what_is_new(fixture: Fixture) -> None:
    kafka = WatchDouble(fixture("tmp_path") / "watch")
    test_told_once.test_a_watch_that_is_started_anew_tells_what_is_new_and_nothing_else(kafka, True, False)


def a_restarted_watch_knows_the_balances(fixture: Fixture) -> None:
    kafka = WatchDouble(fixture("tmp_path") / "watch")
    test_told_once.test_what_a_restarted_watch_did_not_see_happen_counts_in_its_balances(kafka)


def an_alert_of_an_aborted_commit_is_told(fixture: Fixture) -> None:
    kafka = WatchDouble(fixture("tmp_path") / "watch")
    test_told_once.test_alerts_of_an_aborted_commit_are_told_when_the_partition_comes_back(kafka)


def alerts_and_offsets_go_together(fixture: Fixture) -> None:
    kafka = WatchDouble(fixture("tmp_path") / "watch")
    test_told_once.test_alerts_and_offsets_are_committed_together(kafka, "abort")


def wrong_settings_are_letters_once(fixture: Fixture) -> None:
    kafka = WatchDouble(fixture("tmp_path") / "watch")
    test_told_once.test_wrong_settings_are_dead_letters_once(kafka, "crash after")


def few_calls_need_the_whole_floor(_: Fixture) -> None:
    test_judge.test_half_of_the_floor_is_enough_where_nothing_is_usual_but_not_of_few_calls()


def a_repeated_movement_counts_once(_: Fixture) -> None:
    test_judge.test_a_movement_that_the_log_has_twice_counts_once()


def a_theft_over_many_lines_is_told_three_times(_: Fixture) -> None:
    test_judge.test_an_account_is_told_three_times_a_day_of_the_log_at_most([])


SABOTAGES = [
    ("ids of alerts by chance", ids_by_chance, the_same_log_raises_the_same_alerts),
    ("told alerts are not read back", told_not_read_back, offsets_set_back_tell_nothing_twice),
    ("a judge begins where the offset is", begin_at_the_offset, a_restarted_watch_knows_the_balances),
    ("a judge's file is ahead of the offset", file_ahead_of_the_offset, an_alert_of_an_aborted_commit_is_told),
    ("alerts go with an aborted commit", alerts_go_with_the_commit, alerts_and_offsets_go_together),
    ("a second watch tells what the first has told", taken_over_without_silence, whoever_takes_over_tells_what_is_new),
    ("each watch dead-letters all wrong settings", all_wrong_settings_are_letters, wrong_settings_are_letters_once),
    ("half of the floor is enough for one call", half_is_enough_for_one_call, few_calls_need_the_whole_floor),
    ("any movement counts however often it is shown", repeats_count, a_repeated_movement_counts_once),
    ("an account is told without a bound", told_without_a_bound, a_theft_over_many_lines_is_told_three_times),
]
