"""Publishes a company's messages as any other team's client would: a plain producer, murmur2, the account as the key."""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from confluent_kafka import KafkaException, Producer

from credit_movements.demo.company import Company
from credit_movements.demo.generated.spoiled import WRONG_PARTITION, SpoiledMessage, spoil
from kafka_io.producing import BY_KEY, Deliveries, produce_all
from schemas.codec import RecordCodec
from schemas.partitioner import account_partition
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS, Topic

# What the contract asks of every publisher. Idempotence keeps the order of one account's events over a retry.
PRODUCER_SETTINGS: Final[dict[str, str | bool]] = {"partitioner": "murmur2_random", "enable.idempotence": True}
_MESSAGES_A_BATCH: Final = 10_000


def publish(
    company: Company, producer: Producer, usage: RecordCodec, top_ups: RecordCodec, account_partitions: int
) -> int:
    """Publish all messages of the company's input topics, in order, the spoiled ones among them; gives their number.

    `usage` and `top_ups` are the codecs of `usage-events` and `top-up-events`, which have `account_partitions` partitions
    (2 at least, or none could be wrong). Raises KafkaException if a message was not delivered.
    """
    post = _Post(producer)
    for topic, codec, other in ((TOP_UP_EVENTS, top_ups, usage), (USAGE_EVENTS, usage, top_ups)):
        events = company.usage_events if topic is USAGE_EVENTS else company.top_up_events
        spoiled = [each for each in company.spoiled if each.topic is topic]
        batches = list(events.iter_slices(_MESSAGES_A_BATCH))
        for number, batch in enumerate(batches):
            post.send(topic, _messages(batch, codec))
            for each in spoiled[number :: len(batches)]:
                _send_spoiled(post, each, codec, other, account_partitions)
    post.finish()
    return post.sent


def _messages(events: pl.DataFrame, codec: RecordCodec) -> list[dict[str, Any]]:
    values = codec.encode(events.drop("outcome"))
    return [{"key": key.encode(), "value": value} for key, value in zip(events["account_id"], values, strict=True)]


def _send_spoiled(
    post: "_Post", message: SpoiledMessage, codec: RecordCodec, other: RecordCodec, account_partitions: int
) -> None:
    record = message.record
    value = spoil(message.how, codec.encode_one(record), other.own_id())
    home = account_partition(record["account_id"], account_partitions)
    partition = (home + (message.how == WRONG_PARTITION)) % account_partitions
    post.send(message.topic, [{"key": record["account_id"].encode(), "value": value}], partition)


class _Post:
    """Sends all of a batch, however often the client's queue is full."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._deliveries = Deliveries(producer)
        self.sent = 0

    def send(self, topic: Topic, messages: Sequence[dict[str, Any]], partition: int = BY_KEY) -> None:
        self.sent += len(messages)
        produce_all(self._producer, topic.name, messages, partition, self._deliveries.note)
        self._producer.poll(0)

    def finish(self) -> None:
        """Wait for the last delivery. Raises KafkaException if one failed."""
        self._producer.flush()
        if self._deliveries.failures:
            raise KafkaException(self._deliveries.failures[0])
