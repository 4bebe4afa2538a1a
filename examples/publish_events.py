"""A publisher of usage events, top-ups and adjustments, as other systems would write it, in one file.

    python examples/publish_events.py --account acme --type call --quantity 187 --destination +4915112345678
    python examples/publish_events.py --account acme --top-up 25
    python examples/publish_events.py --account acme --adjust 0.0796 --movement 7d1e4b8a-... --event-id 3f0c9a52-...

It publishes one event with plain confluent-kafka and the schema that the registry holds, waits until Kafka has it, and prints
it as JSON. Nothing here imports the project: copy it.

What a publisher must do: key = account id, partitioner murmur2, whole numbers for money and quantities, and an event id of
its own for each event. If no answer comes, send the same event again with the same id (--event-id, and --occurred-at, since it
must be the same event): it is charged once.
"""

import argparse
import json
import sys
import time
import uuid
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

# What the registry's client raises where the registry does not answer.
from httpx2 import HTTPError

USAGE_TOPIC, TOP_UP_TOPIC, ADJUSTMENT_TOPIC = "usage-events", "top-up-events", "adjustment-events"
# Money is an integer number of nanos: 1e-9 of one unit of the currency.
NANOS = 10**9
KINDS = ("refund", "chargeback", "correction")
DIRECTIONS = ("outbound", "inbound")
DELIVERY_SECONDS = 30


class Publisher:
    """Publishes to one Kafka. It takes each topic's schema from the registry once, and registers none."""

    def __init__(self, config: dict[str, Any], registry: SchemaRegistryClient) -> None:
        self._registry = registry
        self._encoders: dict[str, AvroSerializer] = {}
        # librdkafka's default partitioner is another one: with it, events would be refused as `wrong_partition`.
        self._producer = Producer({**config, "partitioner": "murmur2_random", "enable.idempotence": True})

    def publish(self, topic: str, event: dict[str, Any]) -> None:
        """Return when Kafka has the event. Raises KafkaException where it has not, or where nobody knows."""
        failures: list[Any] = []
        value = self._encoder(topic)(event, SerializationContext(topic, MessageField.VALUE))
        self._producer.produce(
            topic,
            key=event["account_id"],
            value=value,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
        if self._producer.flush(DELIVERY_SECONDS):
            raise KafkaException(f"no answer from Kafka within {DELIVERY_SECONDS} s: send the same event again")
        if failures:
            raise KafkaException(failures[0])

    def _encoder(self, topic: str) -> AvroSerializer:
        if topic not in self._encoders:
            schema = self._registry.get_latest_version(f"{topic}-value").schema.schema_str
            self._encoders[topic] = AvroSerializer(
                self._registry,
                schema,
                conf={
                    "auto.register.schemas": False,
                    "use.latest.version": True,
                    "subject.name.strategy.type": "TOPIC",
                },
            )
        return self._encoders[topic]


def usage_event(
    *,
    account_id: str,
    usage_type: str,
    quantity: int,
    destination: str | None,
    occurred_at: int,
    event_id: str,
    user_id: str | None = None,
    direction: str | None = None,
    from_number: str | None = None,
    campaign_id: str | None = None,
) -> dict[str, Any]:
    """A record of `usage-events`. `quantity`: whole seconds, fragments or messages. `occurred_at`: microseconds, UTC."""
    return {
        "event_id": event_id,
        "account_id": account_id,
        # What the customer sees: a call id or a message id.
        "interaction_id": f"{usage_type}-{event_id[:8]}",
        "usage_type": usage_type,
        "quantity": quantity,
        "destination": destination,
        "occurred_at": occurred_at,
        "user_id": user_id,
        # Nothing of the price depends on these. Detailed exports show them.
        "direction": direction,
        "from_number": from_number,
        "campaign_id": campaign_id,
    }


def top_up_event(
    *, account_id: str, amount_nanos: int, currency: str, occurred_at: int, event_id: str
) -> dict[str, Any]:
    """A record of `top-up-events`."""
    return {
        "event_id": event_id,
        "account_id": account_id,
        "interaction_id": f"payment-{event_id[:8]}",
        "amount_nanos": amount_nanos,
        "currency": currency,
        "occurred_at": occurred_at,
    }


def adjustment_event(
    *,
    account_id: str,
    kind: str,
    amount_nanos: int,
    currency: str,
    movement_id: str | None,
    reason: str | None,
    occurred_at: int,
    event_id: str,
) -> dict[str, Any]:
    """A record of `adjustment-events`. `amount_nanos` above 0 gives credit back, below 0 takes it."""
    return {
        "event_id": event_id,
        "account_id": account_id,
        "interaction_id": f"{kind}-{event_id[:8]}",
        "kind": kind,
        "amount_nanos": amount_nanos,
        "currency": currency,
        # What it corrects: the movement's id is that of its event. Nothing of the movement itself changes.
        "movement_id": movement_id,
        "reason": reason,
        "occurred_at": occurred_at,
    }


def nanos_of(text: str) -> int:
    """A decimal amount as nanos, exactly; a float would not be. Raises ArgumentTypeError."""
    try:
        nanos = Decimal(text) * NANOS
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount, as 25 or 12.50") from None
    if not nanos.is_finite() or nanos != nanos.to_integral_value():
        raise argparse.ArgumentTypeError(f"{text!r} has more than 9 decimal places")
    return int(nanos)


def event_of(options: argparse.Namespace, occurred_at: int, event_id: str) -> tuple[str, dict[str, Any]]:
    """The topic and the event that the options ask for. Pure."""
    if options.top_up is not None:
        return TOP_UP_TOPIC, top_up_event(
            account_id=options.account,
            amount_nanos=options.top_up,
            currency=options.currency,
            occurred_at=occurred_at,
            event_id=event_id,
        )
    if options.adjust is not None:
        return ADJUSTMENT_TOPIC, adjustment_event(
            account_id=options.account,
            kind=options.kind,
            amount_nanos=options.adjust,
            currency=options.currency,
            movement_id=options.movement,
            reason=options.reason,
            occurred_at=occurred_at,
            event_id=event_id,
        )
    return USAGE_TOPIC, usage_event(
        account_id=options.account,
        usage_type=options.type,
        quantity=options.quantity,
        destination=options.destination,
        occurred_at=occurred_at,
        event_id=event_id,
        user_id=options.user,
        direction=options.direction,
        from_number=options.from_number,
        campaign_id=options.campaign,
    )


def properties(path: str) -> dict[str, Any]:
    """A client's properties from a JSON file: passwords stand there, and not in the arguments of a process."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--bootstrap-servers", default="127.0.0.1:19092", help="Kafka")
    made.add_argument("--schema-registry", default="http://127.0.0.1:18081", help="schema registry")
    made.add_argument(
        "--config", type=properties, default={}, help="JSON file: librdkafka's properties for TLS and SASL"
    )
    made.add_argument(
        "--registry-config", type=properties, default={}, help="JSON file: the registry client's properties"
    )
    made.add_argument("--account", required=True, help="account id")
    made.add_argument("--type", default="call", help="usage type that has a rate: call, sms, whatsapp, mms, ...")
    made.add_argument("--quantity", type=int, default=60, help="whole seconds, fragments or messages")
    made.add_argument("--destination", help="the number called or messaged, E.164")
    made.add_argument("--user", metavar="ID", help="who of the account used it")
    made.add_argument("--direction", choices=DIRECTIONS, help="which way the call or message went")
    made.add_argument("--from-number", metavar="NUMBER", help="the number that it came from, E.164")
    made.add_argument("--campaign", metavar="ID", help="the campaign that it belongs to")
    amount = made.add_mutually_exclusive_group()
    amount.add_argument("--top-up", type=nanos_of, metavar="AMOUNT", help="publish a top-up of so much instead")
    amount.add_argument("--adjust", type=nanos_of, metavar="AMOUNT", help="give so much back instead; below 0: take it")
    made.add_argument("--kind", default="refund", choices=KINDS, help="of the adjustment")
    made.add_argument("--movement", metavar="ID", help="the movement that the adjustment corrects")
    made.add_argument("--reason", help="of the adjustment, for people")
    made.add_argument("--currency", default="EUR", help="of the amount: that of the account's rate card")
    made.add_argument("--event-id", help="send an event again with its id; default: a new one")
    made.add_argument(
        "--occurred-at", type=int, metavar="MICROS", help="and with its time, in microseconds; default: now"
    )
    return made


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    topic, event = event_of(
        options, options.occurred_at or time.time_ns() // 1000, options.event_id or str(uuid.uuid4())
    )
    # --registry-config may name another registry: a mistake is told of the one that was asked.
    registry_config = {"url": options.schema_registry, **options.registry_config}
    try:
        registry = SchemaRegistryClient(registry_config)
        Publisher({"bootstrap.servers": options.bootstrap_servers, **options.config}, registry).publish(topic, event)
    except (SchemaRegistryError, HTTPError) as error:
        sys.exit(f"publish_events: schema registry {registry_config['url'].rpartition('@')[2]}: {error}")
    except KafkaException as error:
        sys.exit(f"publish_events: {error}")
    print(json.dumps({"topic": topic, **event}))


if __name__ == "__main__":
    main(sys.argv[1:])
