"""Copies the ledger and the prices to topics with another prefix, which may have another number of partitions.

    python examples/copy_to_prefix.py --config kafka.json --from acme. --to acme2.

It is one step of a procedure: docs/production/upgrades.md has the others. The workers of the old prefix have ended, `setup` has
made the topics of the new one, and none of its workers runs yet. `kafka.json` holds properties of librdkafka:
"bootstrap.servers" and what else your Kafka asks for.

Each record keeps its bytes, key, headers and time. A movement goes to the partition that murmur2 gives its account among the
new ones, so all movements of an account keep their order. Topics that hold anything already are refused: begin a copy that was
interrupted again, with new topics.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

# The order of these does not matter: nobody reads them yet.
COPIED = ("rates", "account-plans", "credit-movements")
_SECONDS = 30.0
_MOST_AT_ONCE = 10_000


def copy(config: dict[str, Any], from_prefix: str, to_prefix: str) -> dict[str, int]:
    """Topic → how many records were copied.

    Raises KafkaException, and SystemExit where a topic is not there, or a new one holds something already.
    """
    reading = {
        **config,
        # librdkafka wants a name; without subscribing and committing, there is no group.
        "group.id": f"{from_prefix}copy",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
    writing = {**config, "enable.idempotence": True, "partitioner": "murmur2_random"}
    consumer, producer = Consumer(reading), Producer(writing)
    try:
        for topic in COPIED:
            _partitions(consumer, from_prefix + topic)
            _refuse_what_is_not_empty(consumer, to_prefix + topic)
        return {topic: _copied(consumer, producer, from_prefix + topic, to_prefix + topic) for topic in COPIED}
    finally:
        consumer.close()


def _refuse_what_is_not_empty(consumer: Consumer, topic: str) -> None:
    for number in _partitions(consumer, topic):
        if consumer.get_watermark_offsets(TopicPartition(topic, number), _SECONDS)[1] > 0:
            sys.exit(f"copy_to_prefix: {topic} is not empty: delete the topics of the new prefix and run `setup` again")


def _copied(consumer: Consumer, producer: Producer, source: str, target: str) -> int:
    failures: list[KafkaError] = []

    def note(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    count = 0
    for message in _records(consumer, source):
        while True:
            try:
                producer.produce(
                    target, message.value(), message.key(), headers=message.headers() or [], on_delivery=note,
                    timestamp=message.timestamp()[1],
                )  # fmt: skip
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
    if producer.flush(_SECONDS) or failures:
        sys.exit(f"copy_to_prefix: {target} did not take all records{f': {failures[0]}' if failures else ''}")
    return count


def _records(consumer: Consumer, topic: str) -> Iterator[Message]:
    """All records, each partition's in order."""
    unfinished = set(_partitions(consumer, topic))
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in unfinished])
    while unfinished:
        for message in consumer.consume(_MOST_AT_ONCE, 0.2):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition() or 0)
            else:
                raise KafkaException(error)
    consumer.unassign()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    described = consumer.list_topics(topic, timeout=_SECONDS).topics[topic]
    # Without this a misspelt prefix would copy nothing, and say that all went well.
    if described.error is not None or not described.partitions:
        sys.exit(
            f"copy_to_prefix: {topic}: {described.error or 'it has no partitions'}: see --from and --to, and `setup`"
        )
    return list(described.partitions)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="JSON file of librdkafka properties")
    parser.add_argument("--from", dest="from_prefix", required=True, metavar="PREFIX", help='old prefix; "" is none')
    parser.add_argument("--to", dest="to_prefix", required=True, metavar="PREFIX", help="new prefix")
    options = parser.parse_args(arguments)
    if options.from_prefix == options.to_prefix:
        parser.error("the prefixes are the same")
    try:
        copied = copy(json.loads(options.config.read_text()), options.from_prefix, options.to_prefix)
    except (OSError, ValueError, KafkaException) as error:
        sys.exit(f"copy_to_prefix: {error}")
    for topic, count in copied.items():
        print(f"{options.to_prefix}{topic}: {count} records")


if __name__ == "__main__":
    main(sys.argv[1:])
