"""Publishing rates and account plans: all of a file or nothing of it, checked against all that is published.

1. Open a transaction with the id that all publishers of prices share. This fences the others: none of them can commit any more.
2. Read both topics to their ends, by the same rules as the raters.
3. Compare the whole file with that. With one fault nothing is published.
4. Publish in one transaction what is not published already.
5. Read both topics again, because a client that is not ours may have published between 2 and 4. For every rater the first
   record stands. If another client's came first, this step says so.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from credit_movements import clients
from credit_movements.publishing.records import Line, NotDeliveredError, send_all
from credit_movements.settings import Settings
from credit_movements.setup import topics as kafka_topics
from kafka_io.offsets import offset_range
from kafka_io.positions import TopicPartition
from kafka_io.reading import read_to_end
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.pricing.history import PriceHistory
from streams.pricing.rates import AccountPlan, BadRateError, Rate

_SECONDS = 30.0
_OVERTAKEN = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_TXN_STATE,
}

_SOMEBODY_ELSE = "somebody else began to publish prices, and nothing was published: repeat it"


@dataclass(frozen=True, order=True)
class PriceFault:
    """Why a line cannot be published: the line of its file, the column, and the sentence."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.message}"


class RefusedPricesError(Exception):
    """The raters would refuse a line of the file, so nothing was published. `faults`: at least one."""

    def __init__(self, faults: list[PriceFault]) -> None:
        super().__init__(str(faults[0]))
        self.faults = faults


@dataclass(frozen=True)
class PublishedPrices:
    """How many records were sent, and how many of the file were published already. `warnings`: of lines that may be meant."""

    sent: int
    unchanged: int
    warnings: list[PriceFault]


def publish_prices(settings: Settings, topic: Topic, lines: Sequence[Line]) -> PublishedPrices:
    """Publish rates or account plans, all or nothing.

    Raises RefusedPricesError, NotDeliveredError, UnreachableError, TopicSettingsError, StuckError.
    """
    clients.check_kafka(settings)
    kafka_topics.checked(settings, (RATES, ACCOUNT_PLANS))
    producer = clients.price_producer(settings)
    producer.init_transactions(_SECONDS)
    history = published_prices(settings)
    new = _held_against(history, topic, lines)
    if new:
        _publish(settings, producer, topic, new)
        _check_that_it_stands(published_prices(settings), topic, new)
    return PublishedPrices(len(new), len(lines) - len(new), _warnings(history, topic, lines))


def published_prices(settings: Settings) -> PriceHistory:
    """Everything that is published. Raises StuckError, KafkaException, RegistryUnavailableError."""
    history = PriceHistory(settings.default_rate_card or None)
    for topic, put in ((RATES, history.put_rate), (ACCOUNT_PLANS, history.put_plan)):
        for record in _records(settings, topic):
            try:
                put(record)
            except BadRateError:
                # It changes nothing, as in the raters.
                continue
    return history


def _records(settings: Settings, topic: Topic) -> Iterator[dict[str, Any]]:
    codec = clients.codec(settings, topic)
    consumer = clients.reading_consumer(settings, "published-prices")
    # A committed transaction may be open for its partition a little longer: wait for the end of all that is written.
    written = clients.reading_consumer(settings, "written-prices", **{"isolation.level": "read_uncommitted"})
    partition = TopicPartition(topic.name, 0)
    try:
        begin, end = offset_range(written, partition)
        for messages in read_to_end(consumer, partition, begin, end, threading.Event()):
            yield from codec.decode([message.value() for message in messages]).rows.drop("row").iter_rows(named=True)
    finally:
        written.close()
        consumer.close()


def _held_against(history: PriceHistory, topic: Topic, lines: Sequence[Line]) -> list[Line]:
    """The lines that say something new. Raises RefusedPricesError."""
    before = history.decided_plans()
    published = {plan.key: plan for plan in before.standing}
    faults: list[PriceFault] = []
    new: list[Line] = []
    plan_lines: dict[int, int] = {}
    for line, record in lines:
        try:
            if topic is RATES:
                is_new = history.put_rate(record)
            else:
                plan_lines[history.put_plan(record)] = line
                is_new = published.get(AccountPlan(**record).key) != AccountPlan(**record)
        except BadRateError as error:
            faults += [PriceFault(line, column, message) for column, message in error.faults]
            continue
        if is_new:
            new.append((line, record))
    for number, why in history.decided_plans().refused.items():
        if number not in before.refused:
            line = plan_lines[number] if number in plan_lines else _to_blame(history, number, lines)
            faults += [PriceFault(line, column, message) for column, message in why.faults]
    if faults:
        raise RefusedPricesError(sorted(faults))
    return new


def _to_blame(history: PriceHistory, number: int, lines: Sequence[Line]) -> int:
    """The first line of the rates by which a published plan would no longer stand."""
    first_lines = {record["rate_card_id"]: line for line, record in reversed(lines)}
    return next(first_lines[card] for card in history.cards_that_decide(number) if card in first_lines)


def _publish(settings: Settings, producer: Producer, topic: Topic, lines: Sequence[Line]) -> None:
    codec = clients.codec(settings, topic)
    producer.begin_transaction()
    try:
        send_all(producer, codec, topic, [record for _, record in lines])
        producer.commit_transaction(_SECONDS)
    except NotDeliveredError:
        try:
            producer.abort_transaction(_SECONDS)
        except KafkaException as failure:
            if failure.args[0].code() in _OVERTAKEN:
                raise NotDeliveredError(_SOMEBODY_ELSE) from None
        raise
    except KafkaException as failure:
        if failure.args[0].code() in _OVERTAKEN:
            raise NotDeliveredError(_SOMEBODY_ELSE) from None
        raise NotDeliveredError(
            f"Kafka did not take the end of it ({failure.args[0].str()}): repeat it; what is published is not published twice"
        ) from failure


def _check_that_it_stands(history: PriceHistory, topic: Topic, lines: Sequence[Line]) -> None:
    """Raises RefusedPricesError for lines that another client published differently at the same moment."""
    if topic is RATES:
        rates = [(line, Rate(**record)) for line, record in lines]
        overtaken = [
            line for line, rate in rates if rate.key not in history.rates or history.rates[rate.key].changes(rate)
        ]
    else:
        plans = {plan.key: plan for plan in history.decided_plans().standing}
        last = {plan.key: (line, plan) for line, plan in ((line, AccountPlan(**record)) for line, record in lines)}
        overtaken = [line for key, (line, plan) in last.items() if plans.get(key) != plan]
    if overtaken:
        said = "another client published otherwise in the same moment, and that stands"
        raise RefusedPricesError([PriceFault(line, "effective_from", said) for line in overtaken])


def _warnings(history: PriceHistory, topic: Topic, lines: Sequence[Line]) -> list[PriceFault]:
    if topic is RATES:
        return []
    return [
        PriceFault(
            line, "rate_card_id", f"card {record['rate_card_id']!r} has no rates: till it has, nothing is charged"
        )
        for line, record in lines
        if record["rate_card_id"] not in history.currencies
    ]
