"""`credit-movements setup`: topics, subjects and tables as the contract wants them. Idempotent."""

import logging

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError

from credit_movements import clients
from credit_movements.settings import Settings, required
from schemas.avro_schemas import schema_versions
from schemas.registry import SubjectSchemas
from schemas.topics import ALL_TOPICS, RECORD_TOPICS, Topic
from sinks.migrations import apply_migrations

logger = logging.getLogger(__name__)


class SetupError(Exception):
    """Something exists already and is not as the contract wants it, or may not be made: one line."""


def set_up(settings: Settings) -> None:
    """Make what is missing. Raises UnreachableError, SetupError, SettingsError."""
    make_topics(settings)
    register_subjects(settings)
    clients.clickhouse(settings).close()
    for name in apply_migrations(required(settings, "clickhouse_dsn")):
        logger.info("migration %s applied", name)


def make_topics(settings: Settings) -> None:
    """Create the topics that are missing; refuse ones with another partition count, which may never change."""
    clients.check_kafka(settings)
    kafka = clients.admin(settings)
    existing = {name: len(topic.partitions) for name, topic in kafka.list_topics(timeout=10).topics.items()}
    for topic in ALL_TOPICS:
        wanted = topic.partitions(settings.topic_partitions)
        if topic.name not in existing:
            _create(kafka, topic, wanted, settings.topic_replication_factor)
        elif existing[topic.name] != wanted:
            raise SetupError(
                f"topic {topic.name} has {existing[topic.name]} partitions and not {wanted}: partition counts never"
                f" change; set CREDIT_TOPIC_PARTITIONS={existing[topic.name]}"
            )


def _create(kafka: AdminClient, topic: Topic, partitions: int, copies: int) -> None:
    request = NewTopic(topic.name, partitions, copies, config=topic.config())
    try:
        kafka.create_topics([request])[topic.name].result()
        logger.info("topic %s created with %d partitions", topic.name, partitions)
    except KafkaException as failure:
        # Somebody else's setup may run beside this one.
        if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise SetupError(f"topic {topic.name} cannot be created: {failure.args[0].str()}") from failure


def register_subjects(settings: Settings) -> None:
    """Register all versions of our schemas under their subjects, compatibility FULL; what is there already stays as it is.

    The old versions too, in their order: writers that still have them find their ids, and the registry holds each version
    against the one before.
    """
    registry = clients.registry(settings)
    for topic in RECORD_TOPICS:
        assert topic.record is not None
        for version, text in enumerate(schema_versions(topic.record), start=1):
            if SubjectSchemas(registry).id_of(topic.subject, text) is not None:
                continue
            try:
                registry.register_schema(topic.subject, Schema(text, "AVRO"))
                registry.set_config(topic.subject, ServerConfig(compatibility=ConfigCompatibilityLevel.FULL))
                logger.info("version %d of subject %s registered", version, topic.subject)
            except SchemaRegistryError as error:
                raise SetupError(
                    f"version {version} of subject {topic.subject} cannot be registered: {error}"
                ) from error
