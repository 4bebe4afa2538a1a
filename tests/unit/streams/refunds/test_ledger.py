"""A refund is held against all that raters have committed: the sink is waited for, and so is the batch under way."""

import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from schemas.topics import ADJUSTMENT_EVENTS, USAGE_EVENTS
from streams.refunds import ledger
from streams.refunds.ledger import RefundLedger, SinkBehindError
from streams.refunds.limit import TAKEN
from tests.unit.streams.kafka_double import KafkaDouble
from tests.unit.streams.test_outcome import NOW, adjustment, event
from tests.unit.streams.writer_double import CrashedError

CALL = event(1, quantity=60)
CHARGED = 60_000


class SlowSink:
    """Stores a movement of the log each third time that it is asked how far it is. The ledger has those alone."""

    def __init__(self, kafka: KafkaDouble) -> None:
        self._kafka = kafka
        self.stored = self._asked = 0

    def stored_until(self, partitions: Collection[int]) -> dict[int, int]:
        self._asked += 1
        self.stored = min(self._asked // 3, len(self._kafka.log))
        return dict.fromkeys(partitions, self.stored)

    def taken_before(self, adjustments: pl.DataFrame) -> pl.DataFrame:
        rows = self._kafka.log[: self.stored]
        taken = {row["movement_id"]: row["credit_movement_nanos"] for row in rows}
        given = [row["credit_movement_nanos"] for row in rows if row["corrected_movement_id"] == CALL["event_id"]]
        lines = [
            (account, movement, taken.get(movement), sum(given))
            for account, movement in adjustments.select("account_id", "corrected_movement_id").unique().rows()
        ]
        return pl.DataFrame(lines, schema=TAKEN, orient="row")


def limited(kafka: KafkaDouble) -> KafkaDouble:
    sink = SlowSink(kafka)
    kafka.refunds = RefundLedger(sink.stored_until, sink.taken_before)
    return kafka


@pytest.fixture
def kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KafkaDouble:
    monkeypatch.setattr(ledger, "_PAUSE_SECONDS", 0.001)
    return limited(KafkaDouble(tmp_path, NOW))


def refund(kafka: KafkaDouble, number: int, amount: int) -> None:
    made = adjustment(
        number, corrected_movement_id=CALL["event_id"], amount_nanos=amount, account_id=CALL["account_id"]
    )
    kafka.publish(ADJUSTMENT_EVENTS, made, NOW)


@pytest.mark.parametrize("batch_size", [1, 2, 50])
@pytest.mark.parametrize("then", ["commit", "abort", "crash before", "crash after"])
def test_what_is_under_way_or_not_yet_stored_counts(kafka: KafkaDouble, batch_size: int, then: str) -> None:
    kafka.publish(USAGE_EVENTS, CALL, NOW)
    rater = kafka.rater(batch_size)
    rater.catch_up()
    for number in (2, 3, 4, 2):
        refund(kafka, number, CHARGED // 2)
    kafka.next_commit = then
    with suppress(CrashedError):
        for _ in range(6):
            rater.turn(pauses=False)
    kafka.rater(batch_size).catch_up()
    assert [line["credit_movement_nanos"] for line in kafka.log] == [-CHARGED, CHARGED // 2, CHARGED // 2]
    assert [reason for reason, _ in kafka.letters.values()] == ["refund_too_large"]


def test_a_sink_that_stays_behind_is_an_outage_that_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(ledger, "_PATIENT_SECONDS", 0.01)
    asked = RefundLedger(lambda numbers: dict.fromkeys(numbers, 5), lambda _: pl.DataFrame())
    none = pl.DataFrame()
    with pytest.raises(SinkBehindError, match=r"partition 3 to 5 of 6$"):
        asked.taken_before(none, {2: 5, 3: 6}, threading.Event())
    assert asked.taken_before(none, {2: 5, 3: 4}, threading.Event()).is_empty()
