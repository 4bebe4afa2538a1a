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

import numpy as np
import polars as pl
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
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS

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
    for topic, put in ((RATES, history.put_rates), (ACCOUNT_PLANS, history.put_plans)):
        for records in _records(settings, topic):
            # What is refused changes nothing, as in the raters.
            put(records)
    history.decide_plans()
    return history


def _records(settings: Settings, topic: Topic) -> Iterator[pl.DataFrame]:
    codec = clients.codec(settings, topic)
    consumer = clients.reading_consumer(settings, "published-prices")
    # A committed transaction may be open for its partition a little longer: wait for the end of all that is written.
    written = clients.reading_consumer(settings, "written-prices", **{"isolation.level": "read_uncommitted"})
    partition = TopicPartition(topic.name, 0)
    try:
        begin, end = offset_range(written, partition)
        for messages in read_to_end(consumer, partition, begin, end, threading.Event()):
            yield codec.decode([message.value() for message in messages]).rows
    finally:
        written.close()
        consumer.close()


def _held_against(history: PriceHistory, topic: Topic, lines: Sequence[Line]) -> list[Line]:
    """The lines that say something new. Raises RefusedPricesError."""
    records = _table(topic, lines)
    plan_lines: dict[int, int] = {}
    if topic is RATES:
        taken = history.put_rates(records)
        is_new, refused = taken.is_new.tolist(), taken.refused
    else:
        published = set(history.standing_plans().iter_rows())
        is_new = [row not in published for row in records.iter_rows()]
        numbers, refused = history.put_plans(records)
        plan_lines = {number: line for number, (line, _) in zip(numbers.tolist(), lines, strict=True)}
    faults = [PriceFault(lines[row][0], *fault) for row, why in refused.items() for fault in why.faults]
    for number in history.decide_plans().tolist():
        line = plan_lines[number] if number in plan_lines else _to_blame(history, number, lines)
        faults += [PriceFault(line, *fault) for fault in history.why_refused(number).faults]
    if faults:
        raise RefusedPricesError(sorted(faults))
    return [line for line, new in zip(lines, is_new, strict=True) if new]


def _table(topic: Topic, lines: Sequence[Line]) -> pl.DataFrame:
    schema = RATE_COLUMNS if topic is RATES else PLAN_COLUMNS
    return pl.DataFrame([record for _, record in lines], schema=schema)


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
    records = _table(topic, lines)
    if topic is RATES:
        taken = history.put_rates(records)
        overtaken = [lines[row][0] for row in {*taken.refused, *np.flatnonzero(taken.is_first).tolist()}]
    else:
        standing = set(history.standing_plans().iter_rows())
        last = {(account, begin): row for row, (account, _, begin) in enumerate(records.iter_rows())}
        overtaken = [lines[row][0] for row in last.values() if records.row(row) not in standing]
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
