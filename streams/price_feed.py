"""The price feed: reads `rates` and `account-plans` to their ends once, then follows them beside the rater's loop.

A thread reads what is published, decodes it and makes the next price list (`PriceReader`). The list in force serves until that
one is ready; then `refresh`, in the rater's loop, takes it (`PriceFeed`). So publishing prices does not hold up rating.

But a list may not lag: a price is in force for events that are read 3 s after it was published (docs/reference/CONTRACT.md,
rule 3.7). Each list says up to when everything that had come is in it. Where that lies longer than MOST_LAG_SECONDS back,
`refresh` waits for a newer list: rating rather stands still than rate by old prices. So it does when reading has failed, until
it works again.

It does not read with `kafka_io.reading`, which reads a range and ends: this consumer goes on for as long as the rater runs.
"""

import logging
import math
import threading
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message

from kafka_io.batches import ConsumedBatch, consume, log_error
from kafka_io.offsets import assign
from kafka_io.outages import MonotonicSeconds
from kafka_io.positions import RecordPosition, TopicPartition, position_of
from schemas.codec import Decoded, RecordCodec
from schemas.dead_letters import Reason
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.events.sorted_keys import NONE, Ints
from streams.pricing.history import PriceHistory
from streams.pricing.rating import PriceList

logger = logging.getLogger(__name__)

# Of the 3 s of the contract one is left to Kafka, which hands over what is published within some tenths of a second.
MOST_LAG_SECONDS = 2.0
_MOST_RECORDS = 10_000
# Then the next list is made, though more may have come.
_MOST_BATCHES = 20
_WAIT_SECONDS = 0.1
_MOST_LOGGED = 10
_LONG_WAIT_SECONDS = 1.0
_RATES, _PLANS = (TopicPartition(topic.name, 0) for topic in (RATES, ACCOUNT_PLANS))


@dataclass(frozen=True)
class RefusedPrice:
    """A rate or plan that breaks a rule and changes nothing: the message, its position, and why it is refused."""

    message: Message
    position: RecordPosition
    reason: Reason
    detail: str


class PriceNews(NamedTuple):
    """The newest price list, and what was refused on the way to it, in each topic's order.

    `level_at_seconds`: all that had come by then is in the list; None where more was there than was taken in.
    """

    prices: PriceList
    refused: list[RefusedPrice]
    level_at_seconds: float | None


class _NewPlans(NamedTuple):
    """The plans of a batch that are good by themselves, which are numbered one after the other. `rows`: of their messages."""

    first_number: int
    rows: Ints
    messages: list[Message]

    def message_of(self, number: int) -> Message | None:
        place = number - self.first_number
        return self.messages[self.rows[place]] if 0 <= place < len(self.rows) else None


class PriceReader:
    """Reads prices and makes price lists. One thread at a time.

    Methods raise OffsetOutOfRangeError, KafkaException for a broken consumer, and RegistryUnavailableError: call them again
    then, nothing is lost.
    """

    def __init__(
        self,
        consumer: Consumer,
        codecs: Mapping[str, RecordCodec],
        default_card: str | None,
        monotonic_seconds: MonotonicSeconds,
    ) -> None:
        self._consumer = consumer
        self._codecs = codecs
        self._history = PriceHistory(default_card)
        self._monotonic_seconds = monotonic_seconds
        # Since plans were decided on: new ones, and what breaks a rule by itself, whatever else is published.
        self._new_plans: list[_NewPlans] = []
        self._newly_refused: list[RefusedPrice] = []
        self._begun: set[TopicPartition] = set()
        self._ends: dict[TopicPartition, int] = {}
        # A batch stays here until the registry has helped to decode it.
        self._undecoded: ConsumedBatch | None = None
        self._prices = self._history.price_list()

    def read_to_end(self, stop: threading.Event) -> PriceNews:
        """Read everything published so far. Rates come first: so each plan is decided on by all rates when it is read, and its
        message need not be kept."""
        began_at_seconds = self._monotonic_seconds()
        if _RATES not in self._begun:
            assign(self._consumer, {_RATES: OFFSET_BEGINNING})
            self._begun.add(_RATES)
        self._read_up_to(_RATES, stop)
        if _PLANS not in self._begun and not stop.is_set():
            assign(self._consumer, {_RATES: self._ends[_RATES], _PLANS: OFFSET_BEGINNING})
            self._begun.add(_PLANS)
        self._read_up_to(_PLANS, stop)
        return self._news(began_at_seconds, has_changed=True)

    def read_new(self) -> PriceNews:
        """Read what has come since, and make a price list of it. Waits a little for something to come."""
        count = 0
        for _ in range(_MOST_BATCHES):
            before_seconds, is_left_over = self._monotonic_seconds(), self._undecoded is not None
            taken = self._take()
            count += taken
            if taken < _MOST_RECORDS and not is_left_over:
                return self._news(before_seconds, has_changed=count > 0)
        return self._news(None, has_changed=True)

    def _read_up_to(self, partition: TopicPartition, stop: threading.Event) -> None:
        while partition not in self._ends and not stop.is_set():
            self._take()
            self._decide()

    def _news(self, level_at_seconds: float | None, *, has_changed: bool) -> PriceNews:
        if has_changed:
            self._decide()
            self._prices = self._history.price_list()
            logger.info(
                "%d rates on %d cards and %d account plans are in force",
                self._history.rate_count,
                len(self._history.currencies),
                self._history.plan_count,
            )
        refused = sorted(self._newly_refused, key=lambda price: price.position)
        self._newly_refused = []
        return PriceNews(self._prices, refused, level_at_seconds)

    def _decide(self) -> None:
        """A new plan that is refused becomes a dead letter. One that stood until now is only logged."""
        out_of_force = []
        for number in self._history.decide_plans().tolist():
            message = next((each for new in self._new_plans if (each := new.message_of(number)) is not None), None)
            if message is not None:
                self._refuse(message, Reason.INVALID_EVENT, str(self._history.why_refused(number)))
            else:
                out_of_force.append(number)
        self._new_plans = []
        for number in out_of_force[:_MOST_LOGGED]:
            why = str(self._history.why_refused(number))
            logger.warning("an account plan that stood is out of force from now on: %s", why)
        if len(out_of_force) > _MOST_LOGGED:
            logger.warning("so are %d more account plans", len(out_of_force) - _MOST_LOGGED)

    def _take(self) -> int:
        """Apply the next batch, or the one that could not be decoded before. Returns how many records it had."""
        if self._undecoded is None:
            self._undecoded = consume(self._consumer, _MOST_RECORDS, _WAIT_SECONDS, _log_error)
        batch = self._undecoded
        topics = [record.topic() for record in batch.records]
        of_topics = {
            topic: batch.records
            if topics.count(topic) == len(topics)
            else [record for record, its in zip(batch.records, topics, strict=True) if its == topic]
            for topic in self._codecs
        }
        # All is decoded before anything is applied: decoding may fail for want of the registry, and is then done again.
        decoded = {
            topic: self._codecs[topic].decode([record.value() for record in records])
            for topic, records in of_topics.items()
            if records
        }
        self._undecoded = None
        self._ends |= batch.ends
        for topic, of_topic in decoded.items():
            self._apply(topic, of_topics[topic], of_topic)
        return len(batch.records)

    def _apply(self, topic: str, messages: list[Message], decoded: Decoded) -> None:
        for refusal in decoded.refusals:
            self._refuse(messages[refusal.row], refusal.reason, refusal.detail)
        rows = decoded.rows["row"].to_numpy()
        if topic == RATES.name:
            refused = self._history.put_rates(decoded.rows).refused
        else:
            numbers, refused = self._history.put_plans(decoded.rows)
            good = numbers[numbers != NONE]
            self._new_plans.append(_NewPlans(int(good.min(initial=0)), rows[numbers != NONE], messages))
        for row, error in refused.items():
            self._refuse(messages[rows[row]], Reason.INVALID_EVENT, str(error))

    def _refuse(self, message: Message, reason: Reason, detail: str) -> None:
        logger.warning("%s at offset %s changes nothing: %s", message.topic(), message.offset(), detail)
        self._newly_refused.append(RefusedPrice(message, position_of(message), reason, detail))


class PriceFeed:
    """The price list in force, for the rater's loop.

    `consumer` joins no group, has `enable.partition.eof`, and nobody else uses it. Methods raise OffsetOutOfRangeError,
    KafkaException for a broken consumer, and RegistryUnavailableError: call them again then, nothing is lost. `beside` does
    one thing after the other beside the loop: a thread, unless a test brings something else.
    """

    def __init__(
        self,
        consumer: Consumer,
        rate_codec: RecordCodec,
        plan_codec: RecordCodec,
        default_card: str | None,
        monotonic_seconds: MonotonicSeconds,
        beside: Executor | None = None,
    ) -> None:
        codecs = {RATES.name: rate_codec, ACCOUNT_PLANS.name: plan_codec}
        self._reader = PriceReader(consumer, codecs, default_card, monotonic_seconds)
        self._monotonic_seconds = monotonic_seconds
        self._beside = beside or ThreadPoolExecutor(1, thread_name_prefix="prices")
        self._coming: Future[PriceNews] | None = None
        self.level_at_seconds = -math.inf
        """All that had come by then is in force. A price that comes later may be too."""
        self.is_complete = False
        self.prices = PriceHistory(default_card).price_list()
        self.refused: list[RefusedPrice] = []
        """In each topic's order: those of which `forget_refused` has not heard."""

    def read_to_end(self, stop: threading.Event) -> None:
        """Read everything published so far. No event may be rated before this returns."""
        self._take(self._reader.read_to_end(stop))
        self.is_complete = True

    def refresh(self) -> None:
        """Take the newest list that is ready. Waits only where the one in force lags."""
        if self._begun().done():
            self._take_coming()
        began_at_seconds = self._monotonic_seconds()
        while self._monotonic_seconds() - self.level_at_seconds > MOST_LAG_SECONDS:
            self._take_coming()
        waited_seconds = self._monotonic_seconds() - began_at_seconds
        if waited_seconds > _LONG_WAIT_SECONDS:
            logger.warning("rating stood still for %.1f s until new prices were in force", waited_seconds)

    def forget_refused(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Forget refused prices below these offsets: they are dead letters now, for good."""
        if self.refused:
            self.refused = [
                price
                for price in self.refused
                if price.position.offset >= next_offsets.get(price.position.topic_partition, 0)
            ]

    def close(self) -> None:
        """Wait until nothing is read any more. Nothing may be asked of it afterwards."""
        self._beside.shutdown()

    def _begun(self) -> "Future[PriceNews]":
        if self._coming is None:
            self._coming = self._beside.submit(self._reader.read_new)
        return self._coming

    def _take_coming(self) -> None:
        """Take what is being read, when it is ready. Raises what reading has raised: then a later `refresh` waits for the next
        try, since the list in force may lack something."""
        coming, self._coming, level_at_seconds = self._begun(), None, self.level_at_seconds
        self.level_at_seconds = -math.inf
        news = coming.result()
        self.level_at_seconds = level_at_seconds
        self._take(news)
        self._begun()

    def _take(self, news: PriceNews) -> None:
        self.prices = news.prices
        self.refused += news.refused
        if news.level_at_seconds is not None:
            self.level_at_seconds = news.level_at_seconds


def _log_error(error: KafkaError) -> None:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        logger.warning("%s: run `credit-movements setup`", error.str())
    else:
        log_error(error)
