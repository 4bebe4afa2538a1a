"""Kafka transactions of one transactional id, one after the other, with what can go wrong on the way.

1. `begin`: if the last transaction may have left a request behind, a new producer fences the old one first.
2. Write with `producer`.
3. `commit`: send the offsets, wait until all records have arrived, commit. Where Kafka wants it, abort and raise AbortedError.

Three things can go wrong. A step may fail for a while: it is tried again for two minutes. A step may never return: the process
gives up on it and ends. A request that was held back may come late and end the producer's next transaction:
`transaction_watch` notices that.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from tenacity import RetryCallState, Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_exponential

from kafka_io import offsets as group_offsets
from kafka_io.access.refusals import is_unauthorized, told
from kafka_io.offsets import COORDINATOR_AWAY, REBALANCED, OffsetAndNote
from kafka_io.positions import TopicPartition
from kafka_io.producing import flush, poll
from kafka_io.transaction_watch import TransactionWatch

logger = logging.getLogger(__name__)

_GIVE_UP_AFTER_SECONDS: Final = 120
# Each step has a time-out and is then tried again. Without one librdkafka never looks for a new coordinator: in a trial it hung
# for ever after Kafka had been away.
_STEP_SECONDS: Final = 5.0
# A step that has not returned by now never will. librdkafka forgets the time-out of `send_offsets_to_transaction` while it
# looks for the group's coordinator (its issue 5456): in a trial it waited for ever after Kafka was killed and came back.
_STUCK_AFTER_SECONDS: Final = 20.0

# Makes a transactional producer, always with the same transactional id, and the watch on its requests.
MakeProducer = Callable[[], tuple[Producer, TransactionWatch]]


class AbortedError(Exception):
    """The transaction was aborted: nothing of it counts, and its records are to be read again."""


class NotAllowedError(AbortedError):
    """So it was, because Kafka does not allow a part of it. It will again when somebody gives the permission back."""


class Transactions:
    """Makes producers, uses them and closes them one after the other. `on_renewal` is called for each producer replaced.

    Methods raise KafkaException where no producer of this id can go on.
    """

    producer: Producer
    """Write with this one, between `begin` and `commit`."""

    def __init__(self, make_producer: MakeProducer, on_renewal: Callable[[], None]) -> None:
        self._make_producer = make_producer
        self._on_renewal = on_renewal

    def open(self) -> None:
        """Fence any predecessor with the same transactional id."""
        # Kafka gives the new producer the next epoch of the transactional id. From now on it refuses all requests of earlier
        # producers, and it ends a transaction that one of them may have left open.
        self.producer, self._watch = self._make_producer()
        self._patiently(lambda: self.producer.init_transactions(_STEP_SECONDS))

    def begin(self) -> None:
        self._renew_after_trouble()
        self._watch.begin()
        self.producer.begin_transaction()

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndNote], group: object) -> None:
        """Commit what was written, and the offsets of the group, as one. `group`: the consumer's `consumer_group_metadata()`.

        Raises AbortedError. It uses no consumer, so another thread may call it, even while a rebalance holds the consumer up.
        """
        try:
            sent = group_offsets.as_confluent(offsets)
            self._patiently(
                lambda: ended_in_time(
                    lambda: self.producer.send_offsets_to_transaction(sent, group, _STEP_SECONDS), _STUCK_AFTER_SECONDS
                )
            )
            flush(self.producer)
            self._patiently(lambda: self.producer.commit_transaction(_STEP_SECONDS))
        except KafkaException as failure:
            self.abort(failure)

    def abort(self, failure: KafkaException) -> None:
        """Abort and raise AbortedError; raises `failure` where an abort would not mend it."""
        error = failure.args[0]
        is_refused = is_unauthorized(error)
        if error.fatal() or not (is_refused or error.txn_requires_abort()):
            raise failure
        if not is_refused:
            logger.warning("the transaction is aborted and its events are read again: %s", error.str())
        self._patiently(lambda: self.producer.abort_transaction(_STEP_SECONDS))
        raise (NotAllowedError if is_refused else AbortedError)(told(error)) from failure

    def _renew_after_trouble(self) -> None:
        """A late request of the last transaction must not meet a transaction of the same epoch: it could end it half-way.

        A commit that Kafka has confirmed counts, whichever of its requests did it: if another producer or the time-out had
        aborted the transaction meanwhile, Kafka would have refused. So the offsets in memory are right, and only the producer
        changes. After an abort the reader goes on from the committed offsets anyway.
        """
        # The lines for the watch come with the producer's other events. Between the end of a transaction and here nothing of it
        # is sent, so all its lines lie in the queue.
        poll(self.producer, 0)
        if (trouble := self._watch.left_behind()) is None:
            return
        logger.warning("the last transaction may have left a request behind (%s): a new producer fences it", trouble)
        self.producer.close()
        self.open()
        self._on_renewal()

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


def commit_alone(offsets: Mapping[TopicPartition, OffsetAndNote], consumer: Consumer) -> None:
    """Commit offsets without a transaction, where nothing was written. Raises AbortedError where trying again can help."""
    try:
        group_offsets.commit(consumer, offsets)
    except KafkaException as failure:
        if is_unauthorized(failure.args[0]):
            raise NotAllowedError(told(failure.args[0])) from failure
        if failure.args[0].code() not in REBALANCED | COORDINATOR_AWAY:
            raise
        logger.warning("offsets not committed, their events are read again: %s", told(failure.args[0]))
        raise AbortedError(failure.args[0].str()) from failure


def ended_in_time(step: Callable[[], object], seconds: float) -> None:
    """Take a step that may never return. Raises what it raises, and KafkaException if it has not returned after `seconds`.

    The step's thread then stays behind with all that it holds, so the process has to end.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            step()
        except BaseException as error:  # whatever it is, the waiting thread raises it again
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    # A daemon: it must not keep the process from ending.
    threading.Thread(target=run, name="a step of a transaction", daemon=True).start()
    if not wait([outcome], seconds).done:
        stuck = f"a transaction's step is stuck for {seconds:.0f} s: start the rater anew, nothing is lost or doubled"
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, stuck))
    outcome.result()


def _can_be_retried(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and bool(error.args[0].retriable())
