"""Rates and plans as they are published: read to their end once, then followed."""

import logging
import threading
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message

from kafka_io.offsets import assign
from kafka_io.polls import log_error, sort_out
from kafka_io.positions import RecordPosition, TopicPartition, position_of
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.pricing.history import JudgedPlans, PriceHistory
from streams.pricing.rates import BadRateError

logger = logging.getLogger(__name__)

_BATCH = 10_000
_WAIT_SECONDS = 0.1
_PARTITIONS = {TopicPartition(topic.name, 0) for topic in (RATES, ACCOUNT_PLANS)}


@dataclass(frozen=True)
class RefusedPrice:
    """A rate or plan that breaks a rule and changes nothing: the message, where it lies, and why it is refused."""

    message: Message
    position: RecordPosition
    reason: Reason
    detail: str


class PriceFeed:
    """The price list in force, kept up to date from the topics `rates` and `account-plans`.

    `consumer` belongs to this feed alone (no group commits, `enable.partition.eof`). Methods raise OffsetOutOfRangeError,
    KafkaException for a broken consumer and RegistryUnavailableError.
    """

    def __init__(
        self, consumer: Consumer, rate_codec: RecordCodec, plan_codec: RecordCodec, default_card: str | None
    ) -> None:
        self._consumer = consumer
        self._codecs = {RATES.name: rate_codec, ACCOUNT_PLANS.name: plan_codec}
        self._history = PriceHistory(default_card)
        self._plans = JudgedPlans([], {})
        # What came since the last price list: plans by their numbers, and what is refused without looking at others.
        self._new_plans: dict[int, Message] = {}
        self._newly_refused: list[RefusedPrice] = []
        self._at_end: set[TopicPartition] = set()
        self.is_complete = False
        self.prices = self._history.price_list(self._plans)
        self.refused: list[RefusedPrice] = []
        """In each topic's order."""

    def read_to_end(self, stop: threading.Event) -> None:
        """Read everything published so far; no event may be rated before this returns."""
        assign(self._consumer, dict.fromkeys(_PARTITIONS, OFFSET_BEGINNING))
        self._at_end.clear()
        while not self._at_end >= _PARTITIONS and not stop.is_set():
            self._take(self._consumer.consume(_BATCH, _WAIT_SECONDS))
        self._rebuild()
        self.is_complete = True

    def refresh(self) -> None:
        """Take in what has arrived since, without waiting."""
        changed = False
        while messages := self._consumer.consume(_BATCH, 0):
            changed |= self._take(messages)
        if changed:
            self._rebuild()

    def _rebuild(self) -> None:
        before, self._plans = self._plans, self._history.judged_plans()
        self._tell_of_plans(before)
        self.prices = self._history.price_list(self._plans)
        logger.info(
            "%d rates on %d cards and %d account plans are in force",
            len(self._history.rates),
            len(self._history.currencies),
            len(self._plans.standing),
        )

    def _tell_of_plans(self, before: JudgedPlans) -> None:
        """A plan that is refused as soon as it is read is dead-lettered; of one that stood until now the log says so."""
        for number, error in self._plans.refused.items():
            if number in self._new_plans:
                self._refuse(self._new_plans[number], Reason.INVALID_EVENT, str(error))
            elif number not in before.refused:
                logger.warning("an account plan that stood is out of force from now on: %s", error)
        self.refused += sorted(self._newly_refused, key=lambda price: price.position)
        self._newly_refused.clear()
        self._new_plans.clear()

    def _take(self, messages: list[Message]) -> bool:
        poll = sort_out(messages, _tell)
        self._at_end |= poll.ends.keys()
        for topic in self._codecs:
            self._apply(topic, [message for message in poll.records if message.topic() == topic])
        return bool(poll.records)

    def _apply(self, topic: str, messages: list[Message]) -> None:
        decoded = self._codecs[topic].decode([message.value() for message in messages])
        for refusal in decoded.refusals:
            self._refuse(messages[refusal.row], refusal.reason, refusal.detail)
        for record in decoded.rows.iter_rows(named=True):
            message = messages[record.pop("row")]
            try:
                if topic == RATES.name:
                    self._history.put_rate(record)
                else:
                    self._new_plans[self._history.put_plan(record)] = message
            except BadRateError as error:
                self._refuse(message, Reason.INVALID_EVENT, str(error))

    def _refuse(self, message: Message, reason: Reason, detail: str) -> None:
        logger.warning("%s at offset %s changes nothing: %s", message.topic(), message.offset(), detail)
        self._newly_refused.append(RefusedPrice(message, position_of(message), reason, detail))


def _tell(error: KafkaError) -> None:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        logger.warning("%s: run `credit-movements setup`", error.str())
    else:
        log_error(error)
