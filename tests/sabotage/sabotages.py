"""The production code with one guarantee broken each, and the check that must notice.

| sabotage | what it breaks | what catches it |
|---|---|---|
| the sink commits before it inserts | what it held is never read again: rows lost | `sink_that_ends_early_loses_nothing` |
| the sink reads uncommitted | what was aborted is charged | `aborted_movements_are_not_stored` (on Apache Kafka) |
| a random movement id | a batch that is rated again makes other rows: charged twice | `rating_twice_gives_the_same_rows` |
| a clock in the rating | the price depends on when the rater runs | `price_is_that_of_the_events_time` |
| ids remembered before the commit | an aborted batch is taken for duplicates: movements lost | `aborted_batch_is_rated_again` |
| the batch under way is not known | a repeat of it is charged too | `repeat_of_a_batch_under_way_is_none` |
| a batch goes on after an abort | what was aborted is lost | `batch_after_an_aborted_one_is_dropped` |
| partitions go with a batch under way | the next rater reads what is being committed | `partitions_go_when_all_is_done` |
| a producer goes on after no answer | a late end tears the next batch | `late_end_changes_nothing` (on Apache Kafka) |
| the log is not read back | what a late end committed is charged again | `torn_batch_is_charged_once` (on Apache Kafka) |
| a snapshot of another log is taken | what this log has is charged again | `new_machine_charges_nobody_twice` |
| a snapshot is taken without a run that is gone | what the run knew is charged again | `new_machine_charges_nobody_twice` |
| an acknowledged commit is believed | one that comes to nothing is lost | `commit_that_comes_to_nothing_is_rated_again` |
| a store is rebuilt from too late an offset | what comes again is charged again | `rebuilt_store_knows_what_matters` |
| a partition is rated before its store is ready | its repeats are charged again | `partition_waits_for_its_store` |
| a price list that lags | events are rated by prices that are out of force | `prices_are_in_force_in_time` |
| a changed prefix in both parts of a book | a rate that has ended is charged | `changed_rates_count_alone` |
| of a conflict the last one wins | an id with other content is charged again | `first_content_stands` |
| numbers may be longer than they must | one record in two encodings | `bad_bytes_are_no_record` |
| bytes behind a datum are overlooked | what was joined or torn is charged | `bad_bytes_are_no_record` |
| texts are not looked at | a text that nobody can read gets to all readers | `bad_bytes_are_no_record` |
| a third branch of a nullable field | what no schema has is taken for null | `bad_bytes_are_no_record` |
| an export without the account filter | another account's rows are read for the file | `export_holds_its_account_alone` |
| the same, and no guard behind it | another account's rows are in the file | `export_holds_its_account_alone` |
| any checkpoint is trusted, none is doubted | its losses are taken for proved | `checkpoint_of_another_log_proves_nothing` |
| what was proved is not doubted | a row that is lost later is missed for ever | `row_that_is_lost_later_is_found` |
| a checkpoint moves past a difference | it is told once and never again | `difference_is_told_until_it_is_gone` |
| a question joins a round that is under way | its answer may be older than it | `answers_are_younger_than_questions` |
| cells of a deck are not looked at | a card that nobody can write is published | `deck_is_told_as_line_by_line` |
| ours stands before what came meanwhile | what does not stand passes for published | `what_others_publish_meanwhile_is_told` |
| transactional ids without the prefix | one brand's rater fences the other's | `all_names_have_the_prefix` |
| a database is anybody's | balances add up the accounts of two brands | `other_brands_are_refused` |
| lines have whole URLs | a password of the registry or ClickHouse is in a log | `no_line_shows_a_password` |
| an erasure sets amounts to 0 | the account's balance changes | `erasure_changes_no_amount` |
| content of adjustments without its texts | other content passes for a repeat | `other_content_is_a_conflict` |
| adjustments are read back without reasons | a repeat is not known as one | `repeats_are_known_to_a_rebuilt_store` |
| old adjustments are taken | one whose id was forgotten is booked again | `what_is_not_remembered_is_refused` |
| adjustments hold stores back | a store without any grows without end | `stores_forget_all_the_same` |
| adjustments are rated without their store | what is known of them is not looked at | `they_wait_for_their_store` |
| amounts lose their sign | a chargeback gives credit | `the_sign_is_the_publishers` |
| rows are compared without corrections | a row that says otherwise is missed | `rows_say_what_is_corrected` |
| refunds take no room | two refunds of one batch give back more than was taken | `a_movement_is_given_back_once` |
| refunds do not wait for the sink | what was given back and not yet stored is given again | `refunds_see_all_refunds_before` |
| refunds do not wait for a commit | what is being given back is given again | `refunds_see_all_refunds_before` |
| a part of a block is taken for the whole | its sum lacks what came before: a balance is wrong | `sums_leave_no_hole` |
| a step back in the log goes unnoticed | what is read again is added again | `a_step_back_counts_nothing_twice` |
| a movement that the log has twice is in two sums | it is charged twice | `a_movement_that_the_log_has_twice_counts_once` |
| sums behind a place in the log are taken | a retried export opens anew | `opening_balances_are_those_of_their_place` |
| movements of other logs are not looked for | an event of two logs counts twice | `an_event_of_two_logs_counts_once` |
| sums by user outlive an erasure | users of an erased account are told | `erased_users_have_no_sums` |
| shards by movement | versions of a row are on two shards: it counts twice | `all_of_an_account_is_on_one_shard` |
"""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from exporter.positions.rounds import Rounds
from exporter.threads import in_thread
from kafka_io.transactions import AbortedError
from schemas import codec
from schemas.columnar import datums, varints
from schemas.columnar.joined import Ints, JoinedValues
from sinks.read import movements as reader
from sinks.read import totals
from sinks.write.loop import CONSUMER_SETTINGS, Sink
from streams import outcome
from streams.pricing import rating
from streams.rater import Rater
from tests.faults.late_end import go_on_with_the_same_producer
from tests.sabotage import adjustments, alerts, checks, operation, sums
from tests.sabotage.audits import doubt_nothing, move_past_differences, trust_any_checkpoint
from tests.sabotage.prices import any_cells, keep_changed_prefixes, let_prices_lag, ours_before_what_came_meanwhile
from tests.sabotage.stores import (
    log_not_read_back,
    rated_before_its_store_is_ready,
    rebuilt_from_too_late,
    remember_before_commit,
    snapshot_of_any_log,
    snapshot_without_a_run,
    unseen_commits_are_believed,
)

Check = Callable[[Callable[[str], Any]], None]


class Sabotage(NamedTuple):
    """`check` takes pytest's way to a fixture, and raises AssertionError where the guarantee does not hold."""

    name: str
    apply: Callable[[pytest.MonkeyPatch], None]
    check: Check


def commit_before_insert(patch: pytest.MonkeyPatch) -> None:
    def finish(sink: Any) -> None:
        if (block := sink._under_way) is not None:
            sink._partitions.reach(block.batch.reached)
            sink._commit()
        honest(sink)

    honest = Sink._finish
    patch.setattr(Sink, "_finish", finish)


def read_uncommitted(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(CONSUMER_SETTINGS, "isolation.level", "read_uncommitted")


def random_movement_id(patch: pytest.MonkeyPatch) -> None:
    def movements(events: pl.DataFrame, priced: pl.DataFrame) -> pl.DataFrame:
        made = honest(events, priced)
        return made.with_columns(pl.Series("movement_id", [str(uuid.uuid4()) for _ in range(len(made))], pl.String))

    honest = outcome._movements
    patch.setattr(outcome, "_movements", movements)


def clock_in_the_rating(patch: pytest.MonkeyPatch) -> None:
    def rate_batch(events: pl.DataFrame, *prices_and_limits: Any) -> Any:
        now = pl.lit(time.time_ns() // 1000, pl.Int64).alias("occurred_at")
        return rating.rate_batch(events.with_columns(now), *prices_and_limits)

    patch.setattr(outcome, "rate_batch", rate_batch)


def batch_under_way_not_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rater, "_look_up", lambda rater, *asked: rater._assignment.stores.look_up(*asked))


def go_on_after_an_abort(patch: pytest.MonkeyPatch) -> None:
    def finish(rater: Any) -> None:
        with suppress(AbortedError):
            honest(rater)

    honest = Rater._finish
    patch.setattr(Rater, "_finish", finish)


def leave_with_a_batch_under_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rater, "_finish_before_leaving", lambda _: None)


def last_wins(patch: pytest.MonkeyPatch) -> None:
    def classify(events: Any, failed: Any, ids: Any, content: Any, known: outcome.KnownIds, *more: Any) -> Any:
        same = outcome.KnownIds(known.known & (known.content == content), known.content)
        return honest(events, failed, ids, content, same, *more)

    honest = outcome.classify
    patch.setattr(outcome, "classify", classify)


def long_varints(patch: pytest.MonkeyPatch) -> None:
    def read_varints(joined: JoinedValues, places: Ints) -> tuple[Ints, Ints]:
        numbers, sizes = varints.read_varints(joined, places)
        for row in np.flatnonzero(sizes == 0).tolist():
            rest = joined.bytes[places[row] :]
            sizes[row] = np.argmax(rest < 0x80) + 1
        return numbers, sizes

    patch.setattr(datums, "read_varints", read_varints)


def bytes_behind_a_datum(patch: pytest.MonkeyPatch) -> None:
    def read_datums(joined: JoinedValues, starts: Ints, ends: Ints, fields: list[datums.Field]) -> datums.Datums:
        reached = starts
        for field in fields:
            _, reached = datums._read_field(joined, reached, ends, field, datums._Inspection(len(starts)))
        return datums.read_datums(joined, starts, reached, fields)

    patch.setattr(codec, "read_datums", read_datums)


def any_texts(patch: pytest.MonkeyPatch) -> None:
    def texts(joined: JoinedValues, begins: Ints, lengths: Ints) -> tuple[pl.Series, datums.Mask]:
        ends = begins + lengths
        cut = [bytes(joined.bytes[begin:end]) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        return pl.Series([each.decode(errors="replace") for each in cut], dtype=pl.String), np.ones(
            len(cut), dtype=bool
        )

    patch.setattr(datums, "texts", texts)


def any_branch(patch: pytest.MonkeyPatch) -> None:
    def strike(inspection: Any, right: datums.Mask, fault: Callable[[int], str]) -> None:
        if "null" not in fault(0):
            honest(inspection, right, fault)

    honest = datums._Inspection.strike
    patch.setattr(datums._Inspection, "strike", strike)


def no_account_filter(patch: pytest.MonkeyPatch) -> None:
    spoiled = reader._SELECT.replace("account_id = {account_id:String}", "{account_id:String} != ''")
    assert spoiled != reader._SELECT
    patch.setattr(reader, "_SELECT", spoiled)
    # Every row counts for the first slice.
    counted = totals._BY_CARD.replace("account_id IN {account_id:Array(String)}", "1")
    counted = counted.replace("indexOf({account_id:Array(String)}, account_id)", "1")
    assert counted.count("account_id") == 0
    patch.setattr(totals, "_BY_CARD", counted)


def no_account_filter_and_no_guard(patch: pytest.MonkeyPatch) -> None:
    def blocks(client: Any, question: str, parameters: dict[str, Any], settings: Any) -> Any:
        for block in honest(client, question, parameters, settings):
            yield block.with_columns(account_id=pl.lit(parameters["account_id"]))

    no_account_filter(patch)
    honest = reader.read_blocks
    patch.setattr(reader, "read_blocks", blocks)


def join_a_round_under_way(patch: pytest.MonkeyPatch) -> None:
    async def held(rounds: Any, this: Any) -> Any:
        async with rounds._under_way:
            answers = await in_thread(rounds._ask_all, frozenset(this.questions))
            rounds._next = None
            return answers

    patch.setattr(Rounds, "_held", held)


SABOTAGES = [
    Sabotage("the sink commits before it inserts", commit_before_insert, checks.sink_that_ends_early_loses_nothing),
    Sabotage("the sink reads uncommitted", read_uncommitted, checks.aborted_movements_are_not_stored),
    Sabotage("a random movement id", random_movement_id, checks.rating_twice_gives_the_same_rows),
    Sabotage("a clock in the rating", clock_in_the_rating, checks.price_is_that_of_the_events_time),
    Sabotage("ids remembered before the commit", remember_before_commit, checks.aborted_batch_is_rated_again),
    Sabotage("the batch under way is not known", batch_under_way_not_known, checks.repeat_of_a_batch_under_way_is_none),
    Sabotage("a batch goes on after an abort", go_on_after_an_abort, checks.batch_after_an_aborted_one_is_dropped),
    Sabotage(
        "partitions go with a batch under way", leave_with_a_batch_under_way, checks.partitions_go_when_all_is_done
    ),
    Sabotage("a producer goes on after no answer", go_on_with_the_same_producer, checks.late_end_changes_nothing),
    Sabotage("the log is not read back", log_not_read_back, checks.torn_batch_is_charged_once),
    Sabotage("a snapshot of another log is taken", snapshot_of_any_log, checks.new_machine_charges_nobody_twice),
    Sabotage(
        "a snapshot is taken without a run that is gone",
        snapshot_without_a_run,
        checks.new_machine_charges_nobody_twice,
    ),
    Sabotage(
        "an acknowledged commit is believed",
        unseen_commits_are_believed,
        checks.commit_that_comes_to_nothing_is_rated_again,
    ),
    Sabotage(
        "a store is rebuilt from too late an offset", rebuilt_from_too_late, checks.rebuilt_store_knows_what_matters
    ),
    Sabotage(
        "a partition is rated before its store is ready",
        rated_before_its_store_is_ready,
        checks.partition_waits_for_its_store,
    ),
    Sabotage("a price list that lags", let_prices_lag, checks.prices_are_in_force_in_time),
    Sabotage("a changed prefix in both parts of a book", keep_changed_prefixes, checks.changed_rates_count_alone),
    Sabotage("of a conflict the last one wins", last_wins, checks.first_content_stands),
    Sabotage("numbers may be longer than they must", long_varints, checks.bad_bytes_are_no_record),
    Sabotage("bytes behind a datum are overlooked", bytes_behind_a_datum, checks.bad_bytes_are_no_record),
    Sabotage("texts are not looked at", any_texts, checks.bad_bytes_are_no_record),
    Sabotage("a third branch of a nullable field", any_branch, checks.bad_bytes_are_no_record),
    Sabotage("an export without the account filter", no_account_filter, checks.export_holds_its_account_alone),
    Sabotage("the same, and no guard behind it", no_account_filter_and_no_guard, checks.export_holds_its_account_alone),
    Sabotage(
        "any checkpoint is trusted, none is doubted",
        trust_any_checkpoint,
        checks.checkpoint_of_another_log_proves_nothing,
    ),
    Sabotage("what was proved is not doubted", doubt_nothing, checks.row_that_is_lost_later_is_found),
    Sabotage("a checkpoint moves past a difference", move_past_differences, checks.difference_is_told_until_it_is_gone),
    Sabotage(
        "a question joins a round that is under way",
        join_a_round_under_way,
        checks.answers_are_younger_than_questions,
    ),
    Sabotage("cells of a deck are not looked at", any_cells, checks.deck_is_told_as_line_by_line),
    Sabotage(
        "ours stands before what came meanwhile",
        ours_before_what_came_meanwhile,
        checks.what_others_publish_meanwhile_is_told,
    ),
    *(Sabotage(*each) for each in (*operation.SABOTAGES, *adjustments.SABOTAGES, *alerts.SABOTAGES, *sums.SABOTAGES)),
]
