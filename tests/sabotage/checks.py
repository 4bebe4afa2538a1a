"""Small checks, one for each guarantee: silent on the production code, an AssertionError where the guarantee is broken.

Each gets pytest's way to a fixture and takes only what it needs. The checks of the pure heart need no server.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

from credit_movements.publishing.prices import RefusedPricesError, publish_prices
from exporter.file.formats.csv_file import csv_chunks
from exporter.request.window import Period
from kafka_io.transactions import AbortedError
from schemas import wire
from schemas.topics import RATES
from sinks.read.movements import stream_movements
from streams import outcome
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.events.sorted_keys import NONE
from streams.events.table import EVENT_COLUMNS
from streams.outcome import KnownIds, Outcomes, check_batch
from streams.pricing.deck.parsing import lint
from streams.pricing.deck.sheet import COLUMNS
from streams.pricing.history import PriceHistory
from streams.pricing.numbers import prefix_codes
from streams.pricing.rate_checks import RATE_COLUMNS
from streams.writer import MovementWriter
from tests.faults import late_end
from tests.faults.late_end import COMMIT, INVALID_PRODUCER_EPOCH, UNDISTURBED, LateEnd, rate_two_batches
from tests.faults.proxy import Fault
from tests.faults.world import World
from tests.integration.publishing import test_prices
from tests.integration.sink import test_loop
from tests.integration.sink.test_movements import FROM, TO, insert, movement, wanted
from tests.integration.stack import eventually
from tests.limits import LIMITS
from tests.prices import price_list
from tests.unit.credit_movements.audit import test_rounds as test_audit_rounds
from tests.unit.exporter.positions import test_rounds
from tests.unit.schemas.columnar.mutations import mutated_datums
from tests.unit.schemas.test_codec import CODEC, OWN_ID, by_row, slowly
from tests.unit.streams import (
    test_one_by_one,
    test_price_lag,
    test_rater_snapshots,
    test_rebuilt_stores,
    test_under_way,
    test_unseen_commits,
)
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.pricing.deck import test_columns
from tests.unit.streams.pricing.deck.line_by_line import linted
from tests.unit.streams.test_outcome import DAY, NOW, PARTITIONS, event, rate

Fixture = Callable[[str], Any]


def classified(
    events: list[dict[str, Any]], rates: list[dict[str, Any]], known_content: np.uint64 | None = None
) -> Outcomes:
    """What becomes of events. With `known_content` all their ids are known already, with that content."""
    table = pl.DataFrame([{**each, "row": row} for row, each in enumerate(events)], schema=EVENT_COLUMNS)
    known = np.full(len(table), known_content is not None)
    known_ids = KnownIds(known, np.full(len(table), known_content or 0, dtype=np.uint64))
    prices = price_list(rates)
    failed = check_batch(table, PARTITIONS, LIMITS)
    return outcome.classify(table, failed, id_hashes(table), content_hashes(table), known_ids, prices, LIMITS)


def rating_twice_gives_the_same_rows(_: Fixture) -> None:
    events = [event(number) for number in range(20)]
    first, again = (classified(events, [rate()]).movements for _ in range(2))
    assert len(first) == 20
    assert first.equals(again)


def price_is_that_of_the_events_time(_: Fixture) -> None:
    dearer = rate(effective_from=NOW - DAY // 2, price_nanos=5_000)
    movements = classified([event(0, occurred_at=NOW - DAY), event(1, occurred_at=NOW)], [rate(), dearer]).movements
    assert movements["price_nanos"].to_list() == [1_000, 5_000]


def bad_bytes_are_no_record(_: Fixture) -> None:
    values = [wire.header(OWN_ID) + body for body in mutated_datums("UsageEvent", Random(1), 3_000)]
    assert by_row(CODEC.decode(values), len(values)) == slowly(values)


def prices_are_in_force_in_time(_: Fixture) -> None:
    test_price_lag.test_it_is_where_a_list_takes_long()


def changed_rates_count_alone(_: Fixture) -> None:
    history = PriceHistory("default", least_recent=2)
    prefixes = [str(10 + number) for number in range(8)]
    history.put_rates(pl.DataFrame([rate(destination_prefix=each) for each in prefixes], schema=RATE_COLUMNS))
    history.price_list()
    ended = rate(destination_prefix="12", effective_to=NOW)
    history.put_rates(pl.DataFrame([ended], schema=RATE_COLUMNS))
    codes = prefix_codes(pl.Series(["12", "13"]))
    nothing = np.zeros(2, dtype=np.int64)
    assert history.price_list().book.find(nothing, nothing, codes, np.full(2, NOW)).tolist() == [NONE, 3]


def first_content_stands(_: Fixture) -> None:
    (content,) = content_hashes(pl.DataFrame([event(0)], schema=EVENT_COLUMNS))
    assert len(classified([event(0)], [rate()], content).duplicates) == 1
    conflict = classified([event(0, quantity=7)], [rate()], content)
    assert (len(conflict.movements), len(conflict.refused)) == (0, 1)


def new_machine_charges_nobody_twice(fixture: Fixture) -> None:
    """Its snapshot lacks a run first, and then is that of another log."""
    test_rater_snapshots.test_a_rater_that_finds_its_snapshot_torn_charges_nobody_twice(
        KafkaDouble(fixture("tmp_path") / "torn", NOW)
    )
    test_rater_snapshots.test_a_rater_that_finds_the_snapshot_of_another_log_charges_nobody_twice(
        KafkaDouble(fixture("tmp_path") / "foreign", NOW)
    )


def repeat_of_a_batch_under_way_is_none(fixture: Fixture) -> None:
    test_under_way.test_an_id_that_the_batch_under_way_moves_is_known(KafkaDouble(fixture("tmp_path"), NOW))


def batch_after_an_aborted_one_is_dropped(fixture: Fixture) -> None:
    dropped = test_under_way.test_what_was_decided_after_an_aborted_batch_is_dropped_and_both_are_read_again
    dropped(KafkaDouble(fixture("tmp_path"), NOW))


def partitions_go_when_all_is_done(fixture: Fixture) -> None:
    test_under_way.test_partitions_go_only_when_nothing_is_under_way(KafkaDouble(fixture("tmp_path"), NOW))


def rebuilt_store_knows_what_matters(fixture: Fixture) -> None:
    knows = test_rebuilt_stores.test_an_id_that_can_still_matter_is_known_to_a_rebuilt_store
    knows(KafkaDouble(fixture("tmp_path"), NOW))


def commit_that_comes_to_nothing_is_rated_again(fixture: Fixture) -> None:
    again = test_unseen_commits.test_where_the_next_is_aborted_the_events_of_both_are_rated_again
    again(KafkaDouble(fixture("tmp_path"), NOW))


def partition_waits_for_its_store(fixture: Fixture) -> None:
    half_readable = test_one_by_one.half_readable(fixture("tmp_path"))
    test_one_by_one.test_a_partition_is_rated_while_another_one_is_read_back(half_readable)


def aborted_batch_is_rated_again(fixture: Fixture) -> None:
    world: World = fixture("world")
    honest, aborts = MovementWriter.append, []

    def append(writer: MovementWriter, movements: pl.DataFrame) -> None:
        # Once, before anything is written: Tansu shows what was written before an abort.
        if not aborts and len(movements):
            aborts.append(len(movements))
            raise AbortedError("for the test")
        honest(writer, movements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MovementWriter, "append", append)
        world.publish_usage(0, 50)
        world.stack.rate_everything()
    assert aborts
    assert world.in_log() == (50, 50)


def late_end_changes_nothing(fixture: Fixture) -> None:
    world: World = fixture("apache_world")
    with pytest.MonkeyPatch.context() as patch:
        late = LateEnd(world, patch, COMMIT, 1)
        assert rate_two_batches(world, late) == UNDISTURBED
    # Where Kafka took it, luck alone kept the batch whole.
    assert late.answers == [INVALID_PRODUCER_EPOCH]


def torn_batch_is_charged_once(fixture: Fixture) -> None:
    world: World = fixture("apache_world")
    with pytest.MonkeyPatch.context() as patch:
        late_end.go_on_with_the_same_producer(patch)
        outcome = rate_two_batches(world, LateEnd(world, patch, COMMIT, 1))
    assert outcome[:2] == UNDISTURBED[:2]


def sink_that_ends_early_loses_nothing(fixture: Fixture) -> None:
    world: World = fixture("world")
    world.publish_usage(0, 50)
    world.stack.rate_everything()
    strike = world.clickhouse.strike(b"INSERT", Fault.REFUSED, times=10**9)
    with world.sinking():
        eventually(lambda: strike.struck >= 2)
    strike.times = 0
    world.store_everything()
    assert world.checksum().rows == 50


def aborted_movements_are_not_stored(fixture: Fixture) -> None:
    never = test_loop.test_movements_of_an_aborted_transaction_never_reach_clickhouse
    never(fixture("apache_log"), fixture("client"), fixture("codec"))


def export_holds_its_account_alone(fixture: Fixture) -> None:
    client = fixture("client")
    insert(client, [movement(interaction_id=f"ours-{number}", occurred_at=FROM + number) for number in range(3)])
    insert(client, [movement(account_id="other", interaction_id=f"theirs-{number}") for number in range(3)], first=3)
    file = b"".join(csv_chunks(stream_movements(client, wanted()), Period(FROM, TO, "UTC"))).decode()
    assert [line.split(",")[1] for line in file.splitlines()[1:]] == ["ours-0", "ours-1", "ours-2"]


def answers_are_younger_than_questions(_: Fixture) -> None:
    test_rounds.test_every_answer_was_read_after_its_question()


def deck_is_told_as_line_by_line(_: Fixture) -> None:
    rows = [list(COLUMNS), *(test_columns.GOOD.replace("default", card).split(",") for card in ("gold", "go ld"))]
    assert lint(rows).faults == linted(rows).faults


def what_others_publish_meanwhile_is_told(fixture: Fixture) -> None:
    stack = fixture("world").stack
    theirs, ours = (test_prices.rate(usage_type="mms", increment=increment) for increment in (6, 1))
    with pytest.MonkeyPatch.context() as patch:
        test_prices.meanwhile(patch, lambda: stack.publish_priced(RATES, theirs))
        try:
            publish_prices(stack.settings, RATES, test_prices.lines(ours))
        except RefusedPricesError:
            return
    raise AssertionError("another client's rate stands, and nobody was told")


def checkpoint_of_another_log_proves_nothing(fixture: Fixture) -> None:
    folder = fixture("tmp_path")
    test_audit_rounds.proved(folder)
    anew = test_audit_rounds.Working(test_audit_rounds.EVENTS)
    anew.history.log_id = "another"
    anew.rate(5, False, "lost", 0)
    # As many movements as before, so that no offset tells the two logs apart.
    anew.history.move(anew.history.movement(0))
    anew.sink(100, "")
    assert {each.kind.value for each in anew.history.audit(folder).differences} >= {"lost"}


def row_that_is_lost_later_is_found(fixture: Fixture) -> None:
    folder = fixture("tmp_path")
    working = test_audit_rounds.proved(folder)
    working.spoil_row(0, "row lost")
    assert not working.history.audit(folder).holds


def difference_is_told_until_it_is_gone(fixture: Fixture) -> None:
    test_audit_rounds.test_an_event_that_was_lost_is_told_in_every_round(fixture("tmp_path"))
