"""The price feed: reads `rates` and `account-plans` to their ends once, then follows them.

It does not read with `kafka_io.reading`, which reads a range and ends: this consumer goes on for as long as the rater runs.
"""

import logging
import threading
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message

from kafka_io.batches import ConsumedBatch, consume, log_error
from kafka_io.offsets import assign
from kafka_io.positions import RecordPosition, TopicPartition, position_of
from schemas.codec import Decoded, RecordCodec
from schemas.dead_letters import Reason
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.pricing.history import DecidedPlans, PriceHistory
from streams.pricing.rates import BadRateError

logger = logging.getLogger(__name__)

_MOST_RECORDS = 10_000
_WAIT_SECONDS = 0.1
_PARTITIONS = {TopicPartition(topic.name, 0) for topic in (RATES, ACCOUNT_PLANS)}


@dataclass(frozen=True)
class RefusedPrice:
    """A rate or plan that breaks a rule and changes nothing: the message, its position, and why it is refused."""

    message: Message
    position: RecordPosition
    reason: Reason
    detail: str


class PriceFeed:
    """The price list in force, kept up to date from the topics `rates` and `account-plans`.

    `consumer` joins no group, has `enable.partition.eof`, and nobody else uses it. Methods raise OffsetOutOfRangeError,
    KafkaException for a broken consumer, and RegistryUnavailableError: call them again then, nothing is lost.
    """

    def __init__(
        self, consumer: Consumer, rate_codec: RecordCodec, plan_codec: RecordCodec, default_card: str | None
    ) -> None:
        self._consumer = consumer
        self._codecs = {RATES.name: rate_codec, ACCOUNT_PLANS.name: plan_codec}
        self._history = PriceHistory(default_card)
        self._plans = DecidedPlans([], {})
        # Since the last price list: new plans by their numbers, and what breaks a rule by itself, whatever else is published.
        self._new_plans: dict[int, Message] = {}
        self._newly_refused: list[RefusedPrice] = []
        self._at_end: set[TopicPartition] = set()
        # A batch stays here until the registry has helped to decode it.
        self._undecoded: ConsumedBatch | None = None
        self.is_complete = False
        self.prices = self._history.price_list(self._plans)
        self.refused: list[RefusedPrice] = []
        """In each topic's order."""

    def read_to_end(self, stop: threading.Event) -> None:
        """Read everything published so far. No event may be rated before this returns."""
        if self._undecoded is None:
            assign(self._consumer, dict.fromkeys(_PARTITIONS, OFFSET_BEGINNING))
        while not self._at_end >= _PARTITIONS and not stop.is_set():
            self._take(_WAIT_SECONDS)
        self._rebuild()
        self.is_complete = True

    def refresh(self) -> None:
        """Take in what has arrived since, without waiting."""
        has_changed = False
        while self._take(0):
            has_changed = True
        if has_changed:
            self._rebuild()

    def _rebuild(self) -> None:
        before, self._plans = self._plans, self._history.decided_plans()
        self._refuse_plans(before)
        self.prices = self._history.price_list(self._plans)
        logger.info(
            "%d rates on %d cards and %d account plans are in force",
            len(self._history.rates),
            len(self._history.currencies),
            len(self._plans.standing),
        )

    def _refuse_plans(self, before: DecidedPlans) -> None:
        """A new plan that is refused becomes a dead letter. One that stood until now is only logged."""
        for number, error in self._plans.refused.items():
            if number in self._new_plans:
                self._refuse(self._new_plans[number], Reason.INVALID_EVENT, str(error))
            elif number not in before.refused:
                logger.warning("an account plan that stood is out of force from now on: %s", error)
        self.refused += sorted(self._newly_refused, key=lambda price: price.position)
        self._newly_refused.clear()
        self._new_plans.clear()

    def _take(self, wait_seconds: float) -> bool:
        """Apply the next batch, or the one that could not be decoded before. Says whether it had any records."""
        if self._undecoded is None:
            self._undecoded = consume(self._consumer, _MOST_RECORDS, wait_seconds, _log_error)
        batch = self._undecoded
        of_topics = {topic: [record for record in batch.records if record.topic() == topic] for topic in self._codecs}
        # All is decoded before anything is applied: decoding may fail for want of the registry, and is then done again.
        decoded = {
            topic: self._codecs[topic].decode([record.value() for record in records])
            for topic, records in of_topics.items()
            if records
        }
        self._undecoded = None
        self._at_end |= batch.ends.keys()
        for topic, of_topic in decoded.items():
            self._apply(topic, of_topics[topic], of_topic)
        return bool(batch.records)

    def _apply(self, topic: str, messages: list[Message], decoded: Decoded) -> None:
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


def _log_error(error: KafkaError) -> None:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        logger.warning("%s: run `credit-movements setup`", error.str())
    else:
        log_error(error)
