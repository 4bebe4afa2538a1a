"""A log of movements for the tests of what reads it."""

import uuid
from decimal import Decimal

import polars as pl
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.topics import CREDIT_MOVEMENTS

PARTITIONS = 3

NULLS = ("user_id", "corrected_movement_id", "reason", "direction", "from_number", "campaign_id")


def make_log(bootstrap_servers: str) -> None:
    """The topic, with nothing in it."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(CREDIT_MOVEMENTS.name, PARTITIONS, 1)])[CREDIT_MOVEMENTS.name].result(10)


def movements(count: int) -> pl.DataFrame:
    rows = [
        {
            "movement_id": str(uuid.uuid4()),
            "account_id": f"acme-{number % 7}",
            "interaction_id": f"call-{number}",
            "description": "call",
            "occurred_at": 1_760_000_000_000_000 + number * 86_400_000_000 // 50,
            "quantity": number,
            "unit": "seconds",
            "units_charged": number,
            "price_nanos": 183_333,
            "price_units": 1,
            "credit_movement_nanos": -183_333 * number,
            "currency": "EUR",
            "user_id": None,
            "destination": "+49 151",
            "rate_card_id": "default",
            "destination_prefix": "4915",
            "rate_effective_from": 1_759_000_000_000_000,
            "source_topic": "usage-events",
            "source_partition": number % PARTITIONS,
            "source_offset": number,
            "corrected_movement_id": None,
            "reason": None,
            "direction": None,
            "from_number": None,
            "campaign_id": None,
            "destination_name": "Germany mobile",
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(NULLS, pl.String))


def append(log: str, values: list[bytes], is_aborted: bool = False) -> None:
    """As the rater does: in a transaction, so that a marker stands behind the last movement."""
    producer = Producer({"bootstrap.servers": log, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(10)
    producer.begin_transaction()
    for number, value in enumerate(values):
        producer.produce(CREDIT_MOVEMENTS.name, value, partition=number % PARTITIONS)
    if is_aborted:
        producer.flush()
        producer.abort_transaction(10)
    else:
        producer.commit_transaction(10)


def total(frame: pl.DataFrame) -> tuple[int, Decimal]:
    return len(frame), Decimal(int(frame["credit_movement_nanos"].sum())).scaleb(-9)
