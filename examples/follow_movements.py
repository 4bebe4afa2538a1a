"""A consumer of `credit-movements` that keeps a balance for each account, in one file.

    python examples/follow_movements.py
    python examples/follow_movements.py --once

It reads the log with plain confluent-kafka and the schemas that the registry holds, and prints the balance of an account
after each of its movements. With --once it reads to the end and prints all balances. Nothing here imports the project: copy it.

What a consumer must do: read with `isolation.level=read_committed`, so that it never sees what a transaction aborted. The log
holds each movement once, so a balance is a plain sum. This one is kept in memory: it reads the log from its beginning at each
start, without a group. A service that stores its balances must store the next offset of each partition with them, in the same
transaction.
"""

import argparse
import json
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

# What the registry's client raises where the registry does not answer.
from httpx2 import HTTPError

TOPIC = "credit-movements"
NANOS = 10**9


@dataclass
class Balances:
    """The balance of each account in nanos, by (account, currency): the sum of its movements."""

    nanos: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, movement: Mapping[str, Any]) -> str:
        """Take in a movement; gives the line to print."""
        key = movement["account_id"], movement["currency"]
        self.nanos[key] += movement["credit_movement_nanos"]
        return (
            f"{movement['occurred_at']:%Y-%m-%d %H:%M:%S} {one_line(key[0])} {movement['description']}"
            f" {decimal(movement['credit_movement_nanos'])} {key[1]}, balance {decimal(self.nanos[key])}"
        )

    def lines(self) -> Iterator[str]:
        for (account_id, currency), nanos in sorted(self.nanos.items()):
            yield f"{one_line(account_id)} {decimal(nanos)} {currency}"


def decimal(nanos: int) -> str:
    """Nanos as a plain decimal, exactly, without trailing zeros. Money is never a float."""
    whole, rest = divmod(abs(nanos), NANOS)
    text = f"{whole}.{rest:09}".rstrip("0").rstrip(".")
    return f"-{text}" if nanos < 0 else text


def one_line(text: str) -> str:
    """An account id may hold anything: line breaks would let it write a line of its own."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def follow(options: argparse.Namespace, stop: threading.Event) -> Balances:
    """Read until stopped, or with --once to the end of the log. Raises KafkaException."""
    decode = AvroDeserializer(
        SchemaRegistryClient({"url": options.schema_registry, **options.registry_config}),
        conf={"subject.name.strategy.type": "TOPIC"},
    )
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap_servers,
            # librdkafka wants a name; without subscribing and committing, there is no group.
            "group.id": "follow-movements",
            **options.config,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    balances = Balances()
    try:
        topic = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC]
        if topic.error is not None:
            raise KafkaException(topic.error)
        numbers = set(topic.partitions)
        consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in numbers])
        while not stop.is_set() and (numbers or not options.once):
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is None:
                line = balances.add(decode(message.value(), SerializationContext(TOPIC, MessageField.VALUE)))
                if not options.once:
                    print(line, flush=True)
            elif error.code() == KafkaError._PARTITION_EOF:
                numbers.discard(message.partition() or 0)
            else:
                raise KafkaException(error)
    finally:
        consumer.close()
    return balances


def properties(path: str) -> dict[str, Any]:
    """A client's properties from a JSON file: passwords stand there, and not in the arguments of a process."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:19092", help="Kafka")
    parser.add_argument("--schema-registry", default="http://127.0.0.1:18081", help="schema registry")
    parser.add_argument(
        "--config", type=properties, default={}, help="JSON file: librdkafka's properties for TLS and SASL"
    )
    parser.add_argument(
        "--registry-config", type=properties, default={}, help="JSON file: the registry client's properties"
    )
    parser.add_argument("--once", action="store_true", help="read to the end of the log, print all balances, and end")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        balances = follow(options, stop)
    except KafkaException as error:
        sys.exit(f"follow_movements: topic {TOPIC}: {error.args[0].str()}")
    except (SchemaRegistryError, HTTPError) as error:
        sys.exit(f"follow_movements: {error}")
    for line in balances.lines():
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
