"""The sabotages of adjustments, and their checks: each breaks one of the guarantees that the other source topics have too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from credit_movements.audit.clickhouse import row_hashes
from kafka_io.outages import Patience
from streams import assignment, outcome
from streams.dedup import catch_up, fingerprints
from streams.dedup.stores import DedupStores
from streams.events.sorted_keys import Ints
from streams.pricing import rating
from streams.rater import Rater
from streams.refunds.ledger import RefundLedger
from streams.refunds.limit import Room
from tests.unit.credit_movements.audit import test_adjustments as test_audited_adjustments
from tests.unit.credit_movements.audit.history import History
from tests.unit.credit_movements.audit.test_accounts import RATE
from tests.unit.streams import test_adjustments, test_rebuilt_stores
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.refunds import test_ledger as test_refund_ledger
from tests.unit.streams.refunds import test_limit
from tests.unit.streams.test_outcome import NOW

Fixture = Callable[[str], Any]


def content_without_its_texts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fingerprints, "_RARE_TEXTS", ())


def read_back_without_reasons(patch: pytest.MonkeyPatch) -> None:
    def events(movements: pl.DataFrame) -> pl.DataFrame:
        return honest(movements).with_columns(pl.lit(None, pl.String).alias("reason"))

    honest = catch_up.events_of_movements
    patch.setattr(catch_up, "events_of_movements", events)


def old_ones_are_taken(patch: pytest.MonkeyPatch) -> None:
    def look_up(stores: DedupStores, partitions: Ints, ids: Any) -> Any:
        known, content, before = honest(stores, partitions, ids)
        return known, content, np.full_like(before, -(2**62))

    honest = DedupStores.look_up
    patch.setattr(DedupStores, "look_up", look_up)


def adjustments_hold_stores_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(assignment, "_STEADY_NAMES", assignment._SOURCE_NAMES)


def rated_without_the_store(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(test_adjustments, "rated_together", lambda partitions: partitions)


def amounts_lose_their_sign(patch: pytest.MonkeyPatch) -> None:
    def rate_batch(events: pl.DataFrame, *prices_and_limits: Any) -> Any:
        return rating.rate_batch(events.with_columns(pl.col("amount_nanos").abs()), *prices_and_limits)

    patch.setattr(outcome, "rate_batch", rate_batch)


def rows_hashed_without_them(patch: pytest.MonkeyPatch) -> None:
    texts = tuple(name for name in row_hashes._TEXTS if name not in ("corrected_movement_id", "reason"))
    patch.setattr(row_hashes, "_TEXTS", texts)
    patch.setattr(row_hashes, "_LENGTHS", tuple(f"length_of_{name}" for name in (*row_hashes._ID, *texts)))


def refunds_take_no_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Room, "take", lambda *_: True)


def the_sink_is_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RefundLedger, "_wait_for_sink", lambda *_: None)


def the_batch_under_way_is_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    def taken_before(self: Rater, refunds: RefundLedger, patience: Patience, adjustments: pl.DataFrame) -> pl.DataFrame:
        stores = self._assignment.stores
        needed = {number: stores[number].known_until for number in adjustments["partition"].to_list()}
        return refunds.taken_before(adjustments, needed, patience.stop)

    patch.setattr(Rater, "_taken_before", taken_before)


def other_content_is_a_conflict(fixture: Fixture) -> None:
    kafka = KafkaDouble(fixture("tmp_path") / "kept", NOW)
    test_adjustments.test_the_same_again_is_dropped_and_other_content_is_a_conflict(kafka, "kept")


def repeats_are_known_to_a_rebuilt_store(fixture: Fixture) -> None:
    kafka = KafkaDouble(fixture("tmp_path") / "lost", NOW)
    test_adjustments.test_the_same_again_is_dropped_and_other_content_is_a_conflict(kafka, "lost")


def what_is_not_remembered_is_refused(fixture: Fixture) -> None:
    kafka = KafkaDouble(fixture("tmp_path") / "old", NOW)
    test_rebuilt_stores.test_an_adjustment_from_before_what_its_partition_remembers_is_refused(kafka)


def stores_forget_all_the_same(fixture: Fixture) -> None:
    kafka = KafkaDouble(fixture("tmp_path") / "steady", NOW)
    test_rebuilt_stores.test_a_partition_that_never_sees_an_adjustment_forgets_all_the_same(kafka)


def they_wait_for_their_store(_: Fixture) -> None:
    test_adjustments.test_beside_an_earlier_version_adjustments_wait_where_another_has_the_store()


def the_sign_is_the_publishers(_: Fixture) -> None:
    test_adjustments.test_it_moves_what_it_says_and_no_unit_is_charged("chargeback", -5)


def rows_say_what_is_corrected(fixture: Fixture) -> None:
    folder: Path = fixture("tmp_path")
    test_audited_adjustments.test_a_row_that_says_otherwise_than_its_movement_is_found(
        History([RATE]), folder / "audited", {"reason": "another"}
    )


def a_movement_is_given_back_once(_: Fixture) -> None:
    test_limit.test_a_refund_that_comes_again_takes_no_room()
    test_limit.test_a_movement_is_given_back_once("charge", [40, 30, 1], ["movement", "movement", "refund_too_large"])


def refunds_see_all_refunds_before(fixture: Fixture) -> None:
    kafka = KafkaDouble(fixture("tmp_path") / "limited", NOW)
    test_refund_ledger.test_what_is_under_way_or_not_yet_stored_counts(test_refund_ledger.limited(kafka), 1, "commit")


SABOTAGES = [
    ("content of adjustments without its texts", content_without_its_texts, other_content_is_a_conflict),
    ("adjustments are read back without reasons", read_back_without_reasons, repeats_are_known_to_a_rebuilt_store),
    ("old adjustments are taken", old_ones_are_taken, what_is_not_remembered_is_refused),
    ("adjustments hold stores back", adjustments_hold_stores_back, stores_forget_all_the_same),
    ("adjustments are rated without their store", rated_without_the_store, they_wait_for_their_store),
    ("amounts lose their sign", amounts_lose_their_sign, the_sign_is_the_publishers),
    ("rows are compared without corrections", rows_hashed_without_them, rows_say_what_is_corrected),
    ("refunds take no room", refunds_take_no_room, a_movement_is_given_back_once),
    ("refunds do not wait for the sink", the_sink_is_not_waited_for, refunds_see_all_refunds_before),
    ("refunds do not wait for a commit", the_batch_under_way_is_not_waited_for, refunds_see_all_refunds_before),
]
