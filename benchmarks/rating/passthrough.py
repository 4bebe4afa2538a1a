"""The ceiling: consumes and produces the same bytes, in transactions of the same size, and does nothing else. It reads as the
rater does: it takes what is there, in pieces, and waits for nothing.

`python -m benchmarks.rating.passthrough BOOTSTRAP TOPIC_IN TOPIC_OUT COUNT`: copies COUNT messages, prints its figures as JSON.
"""

import json
import sys
import time
from collections import defaultdict
from itertools import chain
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.proc import peak, processor_seconds
from credit_movements import clients
from credit_movements.settings import settings_of
from kafka_io.batches import available_pieces
from kafka_io.producing import produce_all
from kafka_io.transaction_watch import TransactionWatch

_BATCH = 50_000
_WAIT_SECONDS = 0.2


def main(bootstrap: str, source: str, target: str, count: int) -> None:
    settings = settings_of({"CREDIT_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "CREDIT_KAFKA_SESSION_TIMEOUT_MS": "3000"})
    consumer = clients.group_consumer(settings, "passthrough", **{"auto.offset.reset": "earliest"})
    watch = TransactionWatch(clients.kafka_log)
    producer = clients.transactional_producer(
        settings, clients.transactional_id(settings, "rater", settings.rater_id), watch
    )
    producer.init_transactions()
    consumer.subscribe([source])
    copied = 0
    began = processor = 0.0
    while copied < count:
        pieces = available_pieces(consumer, _BATCH, _WAIT_SECONDS)
        messages = [message for message in chain.from_iterable(pieces) if message.error() is None]
        if not messages:
            continue
        if not copied:
            began, processor = time.monotonic(), processor_seconds()
        _copy(messages, target, producer, consumer)
        copied += len(messages)
    per_second = copied / (time.monotonic() - began)
    per_processor_second = copied / (processor_seconds() - processor)
    figures = {"per_second": per_second, "per_processor_second": per_processor_second, "peak_memory": peak()}
    print(json.dumps(figures), flush=True)
    consumer.close()


def _copy(messages: list[Any], target: str, producer: Producer, consumer: Consumer) -> None:
    producer.begin_transaction()
    by_partition: dict[int, list[dict[str, Any]]] = defaultdict(list)
    offsets = {}
    for message in messages:
        by_partition[message.partition()].append({"key": message.key(), "value": message.value()})
        offsets[message.topic(), message.partition()] = message.offset() + 1
    for partition, waiting in by_partition.items():
        produce_all(producer, target, waiting, partition)
        producer.poll(0)
    positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
    producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
    producer.commit_transaction()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
