"""Publishing records to the contract's topics: tables of them, as `publish` and `rates publish` have, and single ones."""

from collections.abc import Callable, Iterable
from typing import Any

import polars as pl
from confluent_kafka import Producer

from credit_movements import clients
from credit_movements.settings import Settings
from kafka_io.access.refusals import told
from kafka_io.errors import Outage
from kafka_io.producing import Deliveries, poll, produce_all
from schemas.codec import RecordCodec
from schemas.topics import ACCOUNT_PLANS, ALERT_SETTINGS, RATES, Topic

_CHUNK = 10_000
_FLUSH_SECONDS = 60.0
# What `streams.pricing.rates.rfc3339` writes.
_RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"

# Takes how many records were sent so far.
OnSent = Callable[[int], None]


class NotDeliveredError(Outage):
    """Kafka did not take a record."""


def publish(settings: Settings, topic: Topic, records: Iterable[dict[str, Any]]) -> int:
    """Publish a few records. Otherwise like `publish_table`."""
    table = pl.DataFrame(list(records), schema=clients.codec(settings, topic).dtypes)
    return publish_table(settings, topic, table)


def publish_table(settings: Settings, topic: Topic, records: pl.DataFrame, on_sent: OnSent = lambda _: None) -> int:
    """Publish records (a column for each Avro field) as any client would, and wait until Kafka has them all. Returns how many.
    For rates and plans there is `publish_prices`. Raises NotDeliveredError, UnreachableError."""
    clients.check_kafka(settings)
    return send_all(clients.producer(settings), clients.codec(settings, topic), topic, records, on_sent)


def send_all(
    producer: Producer, codec: RecordCodec, topic: Topic, records: pl.DataFrame, on_sent: OnSent = lambda _: None
) -> int:
    """Send records and wait until Kafka has them all. Returns how many. Raises NotDeliveredError."""
    deliveries = Deliveries(producer)
    sent = 0
    for chunk in records.iter_slices(_CHUNK):
        keys, values = keys_of(topic, chunk).to_list(), codec.encode(chunk)
        keyed = [{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]
        produce_all(producer, topic.name, keyed, on_delivery=deliveries.note)
        poll(producer, 0)
        sent += len(chunk)
        on_sent(sent)
    if left := deliveries.undelivered(_FLUSH_SECONDS):
        raise NotDeliveredError(f"{left} records of {sent} were not delivered to {topic.name}{why_not(deliveries)}")
    return sent


def keys_of(topic: Topic, records: pl.DataFrame) -> pl.Series:
    """The keys that the contract demands for records; rates and plans among them keep the rules."""
    begin = pl.from_epoch("effective_from", "us").dt.strftime(_RFC3339)
    keys = {
        RATES.name: pl.concat_str("rate_card_id", "usage_type", "destination_prefix", begin, separator="|"),
        **dict.fromkeys((ACCOUNT_PLANS.name, ALERT_SETTINGS.name), pl.concat_str("account_id", begin, separator="@")),
    }
    return records.select(keys.get(topic.name, pl.col("account_id"))).to_series()


def why_not(deliveries: Deliveries) -> str:
    """What Kafka said of the first record that failed, to be appended to a sentence; nothing where it said nothing."""
    return f": {told(deliveries.failures[0])}" if deliveries.failures else ""
