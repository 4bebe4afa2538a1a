"""Every client of Kafka and the registry is made here, with the properties that the guarantees rest on."""

import logging
import socket
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx2
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription
from confluent_kafka.schema_registry import SchemaRegistryClient

from credit_movements.settings import Settings, required, variable
from credit_movements.unreachable import UnreachableError
from kafka_io import client_properties
from kafka_io.prefix import Names, PrefixedConsumer, PrefixedProducer
from kafka_io.transaction_watch import TransactionWatch
from schemas.codec import RecordCodec
from schemas.registry import RegistryUnavailableError, SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS, Topic

kafka_log = logging.getLogger("kafka")

_REACH_SECONDS = 5.0
# Prices are published in one transaction, however many, and over however slow a network. Kafka grants no more than its own
# `transaction.max.timeout.ms`, which is this by default.
_SLOWEST_RECORDS_A_MILLISECOND = 10
_LONGEST_TRANSACTION_MS = 900_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kafka_common(settings: Settings) -> dict[str, Any]:
    """What all Kafka clients have in common."""
    ours = client_properties.common(required(settings, "kafka_bootstrap_servers"), settings.kafka_config)
    # Whose clients they are is seen in the broker's logs and quotas.
    return {**ours, "client.id": settings.kafka_config.get("client.id", names(settings).real(ours["client.id"]))}


def names(settings: Settings) -> Names:
    """How Kafka and the registry call what the contract names: with the operator's prefix in front."""
    return Names(settings.kafka_prefix)


def _consumer(settings: Settings, properties: dict[str, Any]) -> Consumer:
    if not settings.kafka_prefix:
        return Consumer(properties, logger=kafka_log)
    return PrefixedConsumer(names(settings), properties, logger=kafka_log)


def _producer(settings: Settings, properties: dict[str, Any], logger: Any = kafka_log) -> Producer:
    if not settings.kafka_prefix:
        return Producer(properties, logger=logger)
    return PrefixedProducer(names(settings), properties, logger=logger)


def group_consumer(settings: Settings, group_id: str, **properties: str | bool) -> Consumer:
    """A consumer of a worker's group. It commits only when the worker says so, and sees only committed transactions."""
    common, group_id = kafka_common(settings), names(settings).real(group_id)
    ours = client_properties.group_consumer(common, group_id, settings.kafka_session_timeout_ms)
    # A worker's own properties name its group too, as the contract does.
    return _consumer(settings, {**ours, **properties, "group.id": group_id})


def reading_consumer(settings: Settings, purpose: str, **properties: str | bool) -> Consumer:
    """A consumer that is assigned partitions by hand and commits nothing."""
    return group_consumer(
        settings, f"credit-movements-{purpose}-reader", **{"auto.offset.reset": "error", **properties}
    )


def transactional_id(settings: Settings) -> str:
    """The rater's transactional id. All its producers share it: each fences those before it."""
    return names(settings).real(f"rater-{settings.rater_id or f'{socket.gethostname()}-{uuid.uuid4()}'}")


def price_producer(settings: Settings, records: int) -> Producer:
    """The producer for so many prices. All who publish prices share its id, so only the newest can end a transaction."""
    properties = _transactional(settings, names(settings).real("credit-movements-prices"))
    least = properties["transaction.timeout.ms"]
    wanted = least + records // _SLOWEST_RECORDS_A_MILLISECOND
    properties["transaction.timeout.ms"] = min(wanted, max(least, _LONGEST_TRANSACTION_MS))
    return _producer(settings, properties)


def transactional_producer(settings: Settings, transactional_id: str, watch: TransactionWatch) -> Producer:
    """A producer of a rater; `watch` gets the log lines about its requests."""
    return _producer(settings, client_properties.watched(_transactional(settings, transactional_id)), watch)


def _transactional(settings: Settings, transactional_id: str) -> dict[str, Any]:
    return client_properties.transactional_producer(
        kafka_common(settings), transactional_id, settings.kafka_transaction_timeout_ms
    )


def producer(settings: Settings, **properties: Any) -> Producer:
    """A producer that neither loses nor repeats, and chooses the partition of a key as Java's clients do."""
    return _producer(settings, client_properties.producer(kafka_common(settings)) | properties)


def admin(settings: Settings) -> AdminClient:
    """It speaks Kafka's names: see `names`."""
    return AdminClient(kafka_common(settings), logger=kafka_log)


def check_kafka(settings: Settings) -> None:
    """Raises UnreachableError unless Kafka answers."""
    try:
        admin(settings).list_topics(timeout=_REACH_SECONDS)
    except KafkaException as failure:
        servers = settings.kafka_bootstrap_servers
        raise UnreachableError(
            f"{variable('kafka_bootstrap_servers')}: cannot reach {servers}: {failure.args[0].str()}."
            " Start Kafka, or start `credit-movements up` and leave the variable out."
        ) from failure


def log_identity(settings: Settings) -> str:
    """Kafka's id of the topic `credit-movements`: no other log has it. Raises UnreachableError."""
    return str(_topic(settings, CREDIT_MOVEMENTS).topic_id)


def partition_count(settings: Settings, topic: Topic) -> int:
    """How many partitions a topic has. Kafka is asked; no setting says it. Raises UnreachableError."""
    return len(_topic(settings, topic).partitions)


def topics_there(settings: Settings, topics: Iterable[Topic]) -> dict[str, TopicDescription]:
    """Those of the topics that exist, by their names, as Kafka describes them. Raises UnreachableError."""
    # The client must outlive its answers.
    kafka = admin(settings)
    called = {topic.name: names(settings).real(topic.name) for topic in topics}
    answers = kafka.describe_topics(TopicCollection(list(called.values())), request_timeout=_REACH_SECONDS)
    there = {}
    for name, real in called.items():
        try:
            there[name] = answers[real].result()
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                servers = f"{variable('kafka_bootstrap_servers')}: {settings.kafka_bootstrap_servers}"
                raise UnreachableError(
                    f"{servers} does not describe topic {real}: {failure.args[0].str()}."
                ) from failure
    return there


def _topic(settings: Settings, topic: Topic) -> TopicDescription:
    there = topics_there(settings, [topic])
    if topic.name not in there:
        raise missing_topics(settings, topic.name)
    return there[topic.name]


def missing_topics(settings: Settings, *missing: str) -> UnreachableError:
    """`missing`: as the contract names them."""
    called = ", ".join(map(names(settings).real, missing))
    return UnreachableError(f"Kafka lacks the topics {called}: run `credit-movements setup`")


def registry(settings: Settings) -> SchemaRegistryClient:
    """The process's one client of the registry; it cannot be closed, and may be used by several threads."""
    return _registry(required(settings, "schema_registry_url"))


@cache
def _registry(url: str) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": url, "timeout": _REACH_SECONDS, "max.retries": 1})


def behind_registry(settings: Settings, now_micros: Callable[[], int]) -> timedelta | None:
    """How far the clock `now_micros` is behind that of the schema registry, which stamps its answers (RFC 9110, 6.6.1); None
    where it does not. Raises RegistryUnavailableError."""
    try:
        stamp = httpx2.get(f"{required(settings, 'schema_registry_url')}/subjects", timeout=_REACH_SECONDS).headers.get(
            "date"
        )
        return None if stamp is None else parsedate_to_datetime(stamp) - (_EPOCH + timedelta(microseconds=now_micros()))
    except (httpx2.HTTPError, ValueError, TypeError) as error:
        raise RegistryUnavailableError(f"the schema registry does not tell its time: {error}") from error


def codec(settings: Settings, topic: Topic) -> RecordCodec:
    return RecordCodec(topic, subject_schemas(settings))


def subject_schemas(settings: Settings) -> SubjectSchemas:
    return SubjectSchemas(registry(settings), settings.kafka_prefix)
