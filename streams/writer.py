"""The rater's way out: movements, dead letters and offsets in one Kafka transaction."""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from functools import cache
from typing import Any

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from tenacity import RetryCallState, Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_exponential

from kafka_io.positions import position_of
from kafka_io.transaction_watch import TransactionWatch
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason, dead_letter_headers
from schemas.topics import CREDIT_MOVEMENTS, dead_letter_topic, topic_named
from streams.metrics import RaterMetrics

logger = logging.getLogger(__name__)

_GIVE_UP_AFTER_SECONDS = 120
# Each step has an end, and is then asked for again: without one librdkafka never looks for the coordinator anew, and was
# seen to hang for good after Kafka had been away.
_STEP_SECONDS = 5.0
# A step that has not kept its end by now never will: librdkafka forgets that of `send_offsets_to_transaction` while it looks
# for the group's coordinator (its issue 5456), and was seen to wait for good after Kafka had been killed and came back.
_STUCK_AFTER_SECONDS = 20.0
_FULL_QUEUE_WAIT_SECONDS = 0.1
# The partitions are another rater's by now, or will be.
_REBALANCED = {
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._MAX_POLL_EXCEEDED,
}
# Kafka or the group's coordinator does not answer now.
_AWAY = {
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._WAIT_COORD,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}


# A transactional producer, always of the same transactional id, and what watches its requests.
MakeProducer = Callable[[], tuple[Producer, TransactionWatch]]


class AbortedError(Exception):
    """The transaction was aborted: nothing of it counts, and the events are to be read again."""


class MovementWriter:
    """Writes what became of a batch, by producers that it makes, uses and closes one after the other."""

    def __init__(self, make_producer: MakeProducer, movements: RecordCodec, metrics: RaterMetrics) -> None:
        self._make_producer = make_producer
        self._movements = movements
        self._metrics = metrics
        self._next_offsets: dict[int, int] = {}
        self._writes = False

    def open(self) -> None:
        """Fence any predecessor with the same transactional id. Raises KafkaException, RegistryUnavailableError."""
        self._movements.own_id()
        self._begin_epoch()

    def begin(self) -> None:
        """Begin a batch. Its transaction begins with the first thing that is written."""
        self._next_offsets = {}
        self._writes = False

    def append(self, movements: pl.DataFrame) -> None:
        """Queue movements (columns of CreditMovement), each to the partition number that its event came from.

        Raises KafkaException.
        """
        if len(movements) == 0:
            return
        self._begin_writing()
        encoded = movements.select("account_id", "source_partition").with_columns(
            value=pl.Series(self._movements.encode(movements), dtype=pl.Binary)
        )
        for (partition,), lines in encoded.partition_by("source_partition", as_dict=True).items():
            keys, values = lines["account_id"].to_list(), lines["value"].to_list()
            messages: list[dict[str, Any]] = [
                {"key": key, "value": value} for key, value in zip(keys, values, strict=True)
            ]
            messages[-1]["callback"] = self._note_offset
            self._queue(messages, int(partition))

    def write_dead_letter(self, message: Message, reason: Reason, detail: str) -> None:
        """Queue a dead letter: the bytes as they came, beside the headers that they had and ours."""
        self._begin_writing()
        (topic, partition), offset = position_of(message)
        headers = [*(message.headers() or []), *dead_letter_headers(reason, detail, topic, partition, offset)]
        while True:
            try:
                self._producer.produce(
                    _dead_letter_topic(topic),
                    key=message.key(),
                    value=message.value(),
                    partition=partition,
                    headers=headers,
                )
            except BufferError:
                self._producer.poll(_FULL_QUEUE_WAIT_SECONDS)
            else:
                return

    def commit(self, offsets: Iterable[TopicPartition], consumer: Consumer) -> dict[int, int]:
        """Commit the batch and the offsets with it; the offsets alone, without a transaction, where nothing was written.

        Returns, for each partition of `credit-movements` written to, the offset after the last movement. Raises AbortedError
        where the batch is to be read again, and KafkaException where this rater must end (it was fenced, or a bug).
        """
        if self._writes:
            self._commit_transaction(list(offsets), consumer)
        else:
            # Tansu loses the offsets of a transaction that holds nothing else, and Kafka needs none for them.
            self._commit_offsets(list(offsets), consumer)
        return dict(self._next_offsets)

    def _begin_writing(self) -> None:
        if not self._writes:
            self._renew_after_trouble()
            self._watch.begin()
            self._producer.begin_transaction()
            self._writes = True

    def _begin_epoch(self) -> None:
        # Kafka gives the new producer the next epoch of the transactional id: from here on it refuses whatever an earlier
        # producer has sent, and ends what that may have left open.
        self._producer, self._watch = self._make_producer()
        self._patiently(lambda: self._producer.init_transactions(_STEP_SECONDS))

    def _renew_after_trouble(self) -> None:
        """No request of the last transaction may find another one of the same epoch: it could end that in its middle.

        A commit that was answered well counts, whichever of the requests for it did it: had that epoch's transaction been
        aborted meanwhile, by its time-out or by another producer, the answer would have been a refusal. So the offsets in
        memory are right, and only the producer is changed. After an abort the rater goes on from the committed offsets anyway.
        """
        # What the watch is told comes with the producer's other events. Nothing of a transaction is sent between its end and
        # here, so that all there is to know lies in the queue by now.
        self._producer.poll(0)
        if (trouble := self._watch.left_behind()) is None:
            return
        logger.warning("the last transaction may have left a request behind (%s): a new producer fences it", trouble)
        self._producer.close()
        self._begin_epoch()
        self._metrics.producers_renewed.inc()

    def _commit_transaction(self, offsets: list[TopicPartition], consumer: Consumer) -> None:
        try:
            group = consumer.consumer_group_metadata()
            self._patiently(
                lambda: ended_in_time(
                    lambda: self._producer.send_offsets_to_transaction(offsets, group, _STEP_SECONDS),
                    _STUCK_AFTER_SECONDS,
                )
            )
            self._producer.flush()
            self._patiently(lambda: self._producer.commit_transaction(_STEP_SECONDS))
        except KafkaException as failure:
            self._abort(failure)

    def _commit_offsets(self, offsets: list[TopicPartition], consumer: Consumer) -> None:
        try:
            for answer in consumer.commit(offsets=offsets, asynchronous=False):
                if answer.error is not None:
                    raise KafkaException(answer.error)
        except KafkaException as failure:
            if failure.args[0].code() not in _REBALANCED | _AWAY:
                raise
            logger.warning("offsets not committed, their events are read again: %s", failure.args[0].str())
            raise AbortedError(failure.args[0].str()) from failure

    def _abort(self, failure: KafkaException) -> None:
        error = failure.args[0]
        if error.fatal() or not error.txn_requires_abort():
            raise failure
        logger.warning("the transaction is aborted and its events are read again: %s", error.str())
        self._patiently(lambda: self._producer.abort_transaction(_STEP_SECONDS))
        raise AbortedError(error.str()) from failure

    def _patiently(self, step: Callable[[], object]) -> None:
        attempts = Retrying(
            retry=retry_if_exception(_can_be_retried),
            wait=wait_exponential(multiplier=0.1, max=5),
            stop=stop_after_delay(_GIVE_UP_AFTER_SECONDS),
            before_sleep=self._note_asked_again,
            reraise=True,
        )
        attempts(step)

    def _note_asked_again(self, state: RetryCallState) -> None:
        before_sleep_log(logger, logging.WARNING)(state)
        self._watch.note_asked_again(str(state.outcome.exception() if state.outcome else ""))

    def _queue(self, messages: list[dict[str, Any]], partition: int) -> None:
        # A full queue takes a part, raises nothing, and marks the rest.
        while messages:
            if self._producer.produce_batch(CREDIT_MOVEMENTS.name, messages, partition=partition) == len(messages):
                return
            messages = [message for message in messages if message.pop("_error", None) is not None]
            self._producer.poll(_FULL_QUEUE_WAIT_SECONDS)

    def _note_offset(self, error: Any, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self._next_offsets[partition] = offset + 1


@cache
def _dead_letter_topic(source: str) -> str:
    return dead_letter_topic(topic_named(source)).name


def ended_in_time(step: Callable[[], object], seconds: float) -> None:
    """Take a step that may never return; raises what it raises, and KafkaException if it has not returned after `seconds`.

    Its thread is then left behind with whatever it holds: the process has to end.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            step()
        except BaseException as error:  # handed to who waits for the step, whatever it is
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    # A daemon: it must not keep the process from ending.
    threading.Thread(target=run, name="a step of a transaction", daemon=True).start()
    if not wait([outcome], seconds).done:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"a transaction's step is stuck for {seconds:.0f} s"))
    outcome.result()


def _can_be_retried(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and bool(error.args[0].retriable())
