"""Every client of Kafka and the registry is made here, with the properties that the guarantees rest on."""

import logging
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription
from confluent_kafka.schema_registry import SchemaRegistryClient

from credit_movements.refusals import Refusals, RefusedError, lacking, why_no_answer
from credit_movements.settings import Settings, SettingsError, required, variable
from credit_movements.unreachable import UnreachableError
from kafka_io import client_properties
from kafka_io.access import security
from kafka_io.prefix import Names, PrefixedConsumer, PrefixedProducer
from kafka_io.transaction_watch import TransactionWatch
from schemas.codec import RecordCodec
from schemas.registry import RegistryRefusesError, RegistryUnavailableError, SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS, Topic

kafka_log = logging.getLogger("kafka")
# Of who asks once and then says why there was no answer.
_silent = logging.getLogger("kafka.asked")
_silent.disabled = True

T = TypeVar("T")

_REACH_SECONDS = 5.0
# How long one attempt may take, after which the errors are looked at: a connection goes on meanwhile.
_REFUSED_SECONDS = 0.5
_PAUSE_SECONDS = 0.05
# Prices are published in one transaction, however many, and over however slow a network. Kafka grants no more than its own
# `transaction.max.timeout.ms`, which is this by default.
_SLOWEST_RECORDS_A_MILLISECOND = 10
_LONGEST_TRANSACTION_MS = 900_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kafka_common(settings: Settings) -> dict[str, Any]:
    """What all Kafka clients have in common."""
    ours = client_properties.common(required(settings, "kafka_bootstrap_servers"), settings.kafka_properties())
    # Whose clients they are is seen in the broker's logs and quotas.
    own = settings.kafka_properties().get("client.id")
    return {**ours, "client.id": own or names(settings).real(ours["client.id"])}


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


def transactional_id(settings: Settings, worker: str, own_id: str | None) -> str:
    """A worker's transactional id. All its producers share it: each fences those before it. `own_id`: by its setting."""
    return names(settings).real(f"{worker}-{own_id or f'{socket.gethostname()}-{uuid.uuid4()}'}")


def price_producer(settings: Settings, records: int) -> Producer:
    """The producer for so many prices. All who publish prices share its id, so only the newest can end a transaction."""
    properties = _transactional(settings, names(settings).real("credit-movements-prices"))
    least = properties["transaction.timeout.ms"]
    wanted = least + records // _SLOWEST_RECORDS_A_MILLISECOND
    properties["transaction.timeout.ms"] = min(wanted, max(least, _LONGEST_TRANSACTION_MS))
    return _producer(settings, properties)


def transactional_producer(settings: Settings, transactional_id: str, watch: TransactionWatch) -> Producer:
    """A producer of a rater or a watch; `watch` gets the log lines about its requests."""
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


def asked(settings: Settings, question: Callable[[AdminClient], T]) -> T:
    """Kafka's answer to a question that `question` asks of a client of its own. Raises RefusedError and UnreachableError where
    it raises KafkaException."""
    refusals = Refusals()
    # The client must outlive its answers.
    kafka = _checked_admin(kafka_common(settings) | {"error_cb": refusals.note})
    try:
        _reach(kafka, refusals)
        return question(kafka)
    except KafkaException as failure:
        raise why_no_answer(settings, failure.args[0], refusals) from failure


def _reach(kafka: AdminClient, refusals: Refusals) -> None:
    """Raises KafkaException where Kafka does not answer, at once where it refuses."""
    give_up_at = time.monotonic() + _REACH_SECONDS
    while True:
        try:
            kafka.list_topics(timeout=_REFUSED_SECONDS)
            return
        except KafkaException:
            # A client of this kind hands its errors out here alone.
            kafka.poll(0)
            if refusals.last is not None or time.monotonic() >= give_up_at:
                raise
            time.sleep(_PAUSE_SECONDS)


def _checked_admin(properties: dict[str, Any]) -> AdminClient:
    try:
        return AdminClient(properties, logger=_silent)
    except KafkaException as failure:
        raise SettingsError(f"{variable('kafka_config')}: {failure.args[0].str()}") from failure


def check_kafka(settings: Settings) -> None:
    """Raises UnreachableError unless Kafka answers, RefusedError where it refuses us."""
    asked(settings, lambda _: None)


def log_identity(settings: Settings) -> str:
    """Kafka's id of the topic `credit-movements`: no other log has it. Raises UnreachableError."""
    return str(_topic(settings, CREDIT_MOVEMENTS).topic_id)


def partition_count(settings: Settings, topic: Topic) -> int:
    """How many partitions a topic has. Kafka is asked; no setting says it. Raises UnreachableError."""
    return len(_topic(settings, topic).partitions)


def topics_there(settings: Settings, topics: Iterable[Topic]) -> dict[str, TopicDescription]:
    """Those of the topics that exist, by their names, as Kafka describes them. Raises UnreachableError, RefusedError."""
    called = {topic.name: names(settings).real(topic.name) for topic in topics}
    there = {}

    def describe(kafka: AdminClient) -> None:
        answers = kafka.describe_topics(
            TopicCollection(list(called.values())), include_authorized_operations=True, request_timeout=_REACH_SECONDS
        )
        for name, real in called.items():
            try:
                there[name] = answers[real].result()
            except KafkaException as failure:
                match failure.args[0].code():
                    case KafkaError.UNKNOWN_TOPIC_OR_PART:
                        continue
                    case KafkaError.TOPIC_AUTHORIZATION_FAILED:
                        raise lacking("Describe", f"topic {real}") from failure
                raise

    asked(settings, describe)
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
    return _registry(required(settings, "schema_registry_url"), settings.schema_registry_ca_file)


@cache
def _registry(url: str, ca_file: Path | None) -> SchemaRegistryClient:
    vouched = {} if ca_file is None else {security.CA_FILE: str(ca_file)}
    return SchemaRegistryClient({"url": url, "timeout": _REACH_SECONDS, "max.retries": 1, **vouched})


def check_registry(settings: Settings) -> None:
    """Raises RefusedError where the registry refuses us. One that is away is not waited for."""
    try:
        subject_schemas(settings).versions(CREDIT_MOVEMENTS.subject)
    except RegistryRefusesError as error:
        raise RefusedError(str(error)) from error
    except RegistryUnavailableError:
        return


def behind_registry(settings: Settings, now_micros: Callable[[], int]) -> timedelta | None:
    """How far the clock `now_micros` is behind that of the schema registry, which stamps its answers (RFC 9110, 6.6.1); None
    where it does not. Raises RegistryUnavailableError."""
    try:
        trusted = ssl.create_default_context(cafile=settings.schema_registry_ca_file)
        url = f"{required(settings, 'schema_registry_url')}/subjects"
        stamp = httpx2.get(url, timeout=_REACH_SECONDS, verify=trusted).headers.get("date")
        return None if stamp is None else parsedate_to_datetime(stamp) - (_EPOCH + timedelta(microseconds=now_micros()))
    except (httpx2.HTTPError, ValueError, TypeError) as error:
        raise RegistryUnavailableError(f"the schema registry does not tell its time: {error}") from error


def codec(settings: Settings, topic: Topic) -> RecordCodec:
    return RecordCodec(topic, subject_schemas(settings))


def subject_schemas(settings: Settings) -> SubjectSchemas:
    return SubjectSchemas(registry(settings), settings.kafka_prefix)
