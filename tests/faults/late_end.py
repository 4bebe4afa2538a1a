"""The end of a transaction, held back on its way to Kafka and delivered in the middle of the rater's next batch."""

import re
from collections import Counter
from contextlib import closing
from typing import NamedTuple

import polars as pl
import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from credit_movements import clients
from kafka_io.offsets import offset_range
from kafka_io.positions import TopicPartition
from kafka_io.transaction_watch import TransactionWatch
from kafka_io.transactions import Transactions
from schemas.dead_letters import Reason
from schemas.topics import CREDIT_MOVEMENTS, USAGE_EVENTS
from streams.writer import MovementWriter
from tests.faults.proxy import Fault
from tests.faults.world import World
from tests.integration.records import event, header
from tests.integration.stack import DEADLINE_SECONDS, eventually

GOOD, BAD = 60, 2
COMMIT, ABORT = b"\x01", b"\x00"
# Of Kafka's protocol: the request is refused, since its producer's epoch is over.
INVALID_PRODUCER_EPOCH = 47
# A transaction that lost its producer holds up the next one until its time-out.
RECOVERY_SECONDS = 120.0


class Outcome(NamedTuple):
    """What a reader of committed records sees. `dead_letters`: how often each offset of the source is among them."""

    movements: int
    different_movements: int
    dead_letters: Counter[int]
    next_offset: int


UNDISTURBED = Outcome(2 * GOOD, 2 * GOOD, Counter([60, 61, 122, 123]), 2 * (GOOD + BAD))


class LateEnd:
    """Holds back the EndTxn of the first transaction that ends so (`ending`), and delivers it in the next one, when that has
    written its movements and `after` of its dead letters."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch, ending: bytes, after: int) -> None:
        self.answers: list[int] = []
        self._kafka = world.kafka
        self._settings = world.settings
        # Key 26, version, correlation id; the client; the transactional id; producer id and epoch; commit or abort.
        request = rb"\x00\x1a.{6}\x00\x10credit-movements\x00\x0arater-test.{10}" + ending
        self._strike = world.kafka.strike(re.compile(request, re.DOTALL), Fault.HELD)
        if ending == ABORT:
            self._abort_the_first(patch)
        self._deliver_it_late(patch, after)

    @property
    def is_held(self) -> bool:
        return bool(self._strike.held)

    def _abort_the_first(self, patch: pytest.MonkeyPatch) -> None:
        """As a rebalance does in the middle of a batch."""
        honest = Transactions.commit

        def commit(transactions: Transactions, *given: object) -> None:
            if self.is_held:
                honest(transactions, *given)  # type: ignore[arg-type]
                return
            transactions.producer.flush()
            transactions.abort(
                KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION, "for the test", False, False, True))
            )

        patch.setattr(Transactions, "commit", commit)

    def _deliver_it_late(self, patch: pytest.MonkeyPatch, after: int) -> None:
        honest, waited = MovementWriter.write_dead_letter, []

        def write_dead_letter(writer: MovementWriter, message: Message, reason: Reason, detail: str) -> None:
            honest(writer, message, reason, detail)
            if self.is_held:
                waited.append(message)
            if len(waited) == after and not self.answers:
                writer._transactions.producer.flush()
                self._deliver(message.partition() or 0)

        patch.setattr(MovementWriter, "write_dead_letter", write_dead_letter)

    def _deliver(self, partition: int) -> None:
        """Returns when Kafka has done what it was told. Before, the rest of the batch might get into the same transaction."""
        written = [TopicPartition(name, partition) for name in (f"{USAGE_EVENTS.name}.dlq", CREDIT_MOVEMENTS.name)]
        with closing(clients.reading_consumer(self._settings, "late-end")) as reader:
            # A reader of committed records is told the end of what is decided.
            before = [offset_range(reader, each)[1] for each in written]
            answer = self._kafka.deliver(self._strike)
            # After the answer's length, correlation id and throttling time.
            error = int.from_bytes(answer[12:14], "big")
            if error == 0:
                eventually(
                    lambda: all(offset_range(reader, each)[1] > end for each, end in zip(written, before, strict=True))
                )
        self.answers.append(error)


def rate_two_batches(world: World, late: LateEnd) -> Outcome:
    """Of one account, each good events and then some of a type that has no rate."""
    with world.rating():
        _publish(world, 0)
        eventually(lambda: late.is_held, RECOVERY_SECONDS)
        eventually(lambda: bool(late.answers) or world.is_rated(), RECOVERY_SECONDS)
        _publish(world, GOOD + BAD)
        eventually(lambda: bool(late.answers) and world.is_rated(), RECOVERY_SECONDS)
    letters = world.stack.read(f"{USAGE_EVENTS.name}.dlq")
    dead_lettered = Counter(int(header(letter, "dlq.source.offset")) for letter in letters)
    return Outcome(*world.in_log(), dead_lettered, max(world.stack.committed().values()))


def _publish(world: World, first: int) -> None:
    """As one batch of records, so that the rater, too, takes all of them at once."""
    good = [event(number, account_id="acme") for number in range(first, first + GOOD)]
    bad = [event(number, account_id="acme", usage_type="unknown") for number in range(first + GOOD, first + GOOD + BAD)]
    codec = world.stack.codec(USAGE_EVENTS)
    producer = clients.producer(world.settings, **{"linger.ms": 10_000})
    for value in codec.encode(pl.DataFrame([*good, *bad], schema=codec.dtypes)):
        producer.produce(USAGE_EVENTS.name, key="acme", value=value)
    assert producer.flush(DEADLINE_SECONDS) == 0


def go_on_with_the_same_producer(patch: pytest.MonkeyPatch) -> None:
    """As if nothing told that a request may come late."""
    patch.setattr(TransactionWatch, "left_behind", lambda _: None)
