"""Rates and plans as they are published: read to their end once, then followed."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import RecordCodec, Refusal
from schemas.dead_letters import Reason
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.poll import Place, position_of
from streams.rates import AccountPlan, BadRateError, Rate
from streams.rating import PriceList

logger = logging.getLogger(__name__)

_BATCH = 10_000
_WAIT_SECONDS = 0.1
_PARTITIONS = [TopicPartition(topic.name, 0, OFFSET_BEGINNING) for topic in (RATES, ACCOUNT_PLANS)]


@dataclass(frozen=True)
class RefusedPrice:
    """A rate or plan that breaks a rule and changes nothing: the message, where it lies, and why it is refused."""

    message: Message
    place: Place
    offset: int
    reason: Reason
    detail: str


class PriceFeed:
    """The price list in force, kept up to date from the topics `rates` and `account-plans`.

    `consumer` belongs to this feed alone (no group commits, `enable.partition.eof`). Methods raise KafkaException for a
    broken consumer and RegistryUnavailableError.
    """

    def __init__(
        self, consumer: Consumer, rate_codec: RecordCodec, plan_codec: RecordCodec, default_card: str | None
    ) -> None:
        self._consumer = consumer
        self._codecs = {RATES.name: rate_codec, ACCOUNT_PLANS.name: plan_codec}
        self._default_card = default_card
        self._rates: dict[str, Rate] = {}
        self._currencies: dict[str, str] = {}
        self._plans: dict[str, AccountPlan] = {}
        self._at_end: set[str] = set()
        self.is_complete = False
        self.prices = PriceList([], [], default_card)
        self.refused: list[RefusedPrice] = []

    def read_to_end(self, stop: threading.Event) -> None:
        """Read everything published so far; no event may be rated before this returns."""
        self._consumer.assign(_PARTITIONS)
        self._at_end.clear()
        while len(self._at_end) < len(_PARTITIONS) and not stop.is_set():
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
        self.prices = PriceList(self._rates.values(), self._plans.values(), self._default_card)
        logger.info(
            "%d rates on %d cards and %d account plans are in force",
            len(self._rates),
            len(self._currencies),
            len(self._plans),
        )

    def _take(self, messages: list[Message]) -> bool:
        for message in messages:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                self._at_end.add(str(message.topic()))
            elif error is not None and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                logger.warning("topic %s does not exist yet: run `credit-movements setup`", message.topic())
            elif error is not None:
                raise KafkaException(error)
        good = [message for message in messages if message.error() is None]
        self._apply(RATES.name, good, self._put_rate)
        self._apply(ACCOUNT_PLANS.name, good, self._put_plan)
        return bool(good)

    def _apply(self, topic: str, messages: list[Message], put: Callable[[dict[str, object]], None]) -> None:
        of_topic = [message for message in messages if message.topic() == topic]
        decoded = self._codecs[topic].decode([message.value() for message in of_topic])
        for refusal in decoded.refusals:
            self._refuse(of_topic[refusal.row], refusal)
        for record in decoded.rows.iter_rows(named=True):
            row = record.pop("row")
            try:
                put(record)
            except BadRateError as error:
                self._refuse(of_topic[row], Refusal(row, Reason.INVALID_EVENT, str(error)))

    def _put_rate(self, record: dict[str, object]) -> None:
        rate = Rate.checked(record)
        before = self._rates.get(rate.key)
        if before is not None and before.changes(rate):
            raise BadRateError([("effective_from", f"{rate.key} is published; a new price needs a new effective_from")])
        currency = self._currencies.setdefault(rate.rate_card_id, rate.currency)
        if rate.currency != currency:
            raise BadRateError([("currency", f"{rate.currency}, but card {rate.rate_card_id!r} is in {currency}")])
        self._rates[rate.key] = rate

    def _put_plan(self, record: dict[str, object]) -> None:
        plan = AccountPlan.checked(record)
        self._plans[plan.key] = plan

    def _refuse(self, message: Message, refusal: Refusal) -> None:
        logger.warning("%s at offset %s changes nothing: %s", message.topic(), message.offset(), refusal.detail)
        place, offset = position_of(message)
        self.refused.append(RefusedPrice(message, place, offset, refusal.reason, refusal.detail))
