"""`credit-movements setup`: topics, subjects and tables as the contract wants them. Idempotent."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError
from httpx2 import HTTPError

from credit_movements import clickhouse, clients
from credit_movements.settings import Settings, required
from credit_movements.setup import topics as kafka_topics
from credit_movements.setup.copies import too_few_copies, wanted_copies
from credit_movements.setup.findings import Finding, TopicOnKafka, compacted_away, findings
from credit_movements.setup.sums import sum_up
from kafka_io.access.refusals import told
from kafka_io.errors import UserError
from schemas.avro_schemas import schema_versions
from schemas.registry import refusal_of
from schemas.topics import ALL_TOPICS, RECORD_TOPICS
from sinks.write.brand import mark_brand
from sinks.write.migrations import apply_migrations
from sinks.write.retention import set_retention

logger = logging.getLogger(__name__)

_TOLD_WITHIN_SECONDS = 10.0


class SetupError(UserError):
    """Something exists already and is not as the contract wants it, or may not be made: one line."""


@dataclass
class TopicChanges:
    """What `setup` did to topics that existed: `changed`, and what is `left` for a person to do, a line each."""

    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def set_up(settings: Settings, clickhouse_cluster: str | None = None) -> TopicChanges:
    """Make what is missing, and of what exists as the contract wants it. `clickhouse_cluster`: ClickHouse's tables are to be on
    all servers of this cluster. Raises UnreachableError, SetupError, MigrationFailedError, SettingsError, OtherBrandError."""
    changes = make_topics(settings)
    register_subjects(settings)
    is_marked = clickhouse.check(settings)
    dsn, ca_file = required(settings, "clickhouse_dsn"), settings.clickhouse_ca_file
    for name in apply_migrations(dsn, ca_file, clickhouse_cluster):
        logger.info("migration %s applied", name)
    if not is_marked:
        with closing(clickhouse.checked_client(settings)) as client:
            mark_brand(client, settings.kafka_prefix)
    _set_retention(settings, changes)
    if blocks := sum_up(settings):
        changes.changed.append(f"ClickHouse had no sums of {blocks:,} blocks of the log: written")
    return changes


def _set_retention(settings: Settings, changes: TopicChanges) -> None:
    kept = settings.movements_retention
    with closing(clickhouse.checked_client(settings)) as client:
        if set_retention(client, kept):
            long = "for ever" if kept is None else f"for {kept.days} days"
            changes.changed.append(
                f"ClickHouse keeps the numbers called and the users of movements {long} now: changed"
            )


def make_topics(settings: Settings) -> TopicChanges:
    """Create the topics that are missing, and give those that exist the contract's settings.

    Refuses ones with another partition count, which may never change.
    """
    clients.check_kafka(settings)
    existing = kafka_topics.described(settings, *ALL_TOPICS)
    found = findings(existing.values())
    _check_counts(settings, existing, [each for each in found if each.setting is None])
    kafka = clients.admin(settings)
    copies = wanted_copies(settings)
    for topic in ALL_TOPICS:
        if topic.name not in existing:
            partitions = topic.partitions(settings.topic_partitions)
            _create(
                kafka, NewTopic(clients.names(settings).real(topic.name), partitions, copies, config=topic.config())
            )
    changes = TopicChanges()
    changed = [each for each in found if _changed(settings, each, changes)]
    _wait_until_told(settings, changed)
    if (few := too_few_copies(settings)) is not None:
        changes.left.append(few)
    return changes


def _check_counts(settings: Settings, existing: Mapping[str, TopicOnKafka], wrong: Sequence[Finding]) -> None:
    if wrong:
        raise SetupError(str(wrong[0]))
    for topic in existing.values():
        if topic.partitions != topic.topic.partitions(settings.topic_partitions):
            raise SetupError(
                f"topic {topic.name} has {topic.partitions} partitions and not {settings.topic_partitions}: partition counts"
                f" never change; set CREDIT_TOPIC_PARTITIONS={topic.partitions}"
            )


def _changed(settings: Settings, finding: Finding, changes: TopicChanges) -> bool:
    refused = kafka_topics.change(settings, finding)
    if refused is not None:
        changes.left.append(f"topic {finding.name} {finding.what}, and Kafka does not let it be changed: {refused}")
        return False
    changes.changed.append(f"topic {finding.name} had {finding.what.removeprefix('has ')}: changed")
    if (more := compacted_away(finding)) is not None:
        changes.left.append(more)
    return True


def _wait_until_told(settings: Settings, changed: Sequence[Finding]) -> None:
    """Wait until the broker shows what was made or changed, which takes a moment: a worker that starts now must find it."""
    give_up_at = time.monotonic() + _TOLD_WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        described = kafka_topics.described(settings, *ALL_TOPICS)
        if len(described) == len(ALL_TOPICS) and not set(changed) & set(findings(described.values())):
            return
        time.sleep(0.1)


def _create(kafka: AdminClient, new: NewTopic) -> None:
    try:
        kafka.create_topics([new])[new.topic].result()
        logger.info("topic %s created with %d partitions", new.topic, new.num_partitions)
    except KafkaException as failure:
        # Somebody else's setup may run beside this one.
        if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise SetupError(f"topic {new.topic} cannot be created: {told(failure.args[0])}") from failure


def register_subjects(settings: Settings) -> None:
    """Register all versions of our schemas under their subjects, compatibility FULL; versions that are there already stay as
    they are.

    The old versions are registered too, in their order. Writers that still use them find their ids, and the registry checks
    each version against the one before.
    """
    registry, schemas = clients.registry(settings), clients.subject_schemas(settings)
    for topic in RECORD_TOPICS:
        assert topic.record is not None
        subject = schemas.called(topic.subject)
        for version, text in enumerate(schema_versions(topic.record), start=1):
            try:
                if schemas.id_of(topic.subject, text) is None:
                    registry.register_schema(subject, Schema(text, "AVRO"))
                    logger.info("version %d of subject %s registered", version, subject)
                # Before the next version comes; and after an earlier `setup` that ended between the two, or somebody's change.
                if version == 1 and _compatibility(registry, subject) is not ConfigCompatibilityLevel.FULL:
                    registry.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.FULL))
            except (SchemaRegistryError, HTTPError) as error:
                why = refusal_of(error) or error
                raise SetupError(f"version {version} of subject {subject} cannot be registered: {why}") from error


def _compatibility(registry: SchemaRegistryClient, subject: str) -> ConfigCompatibilityLevel | None:
    """The subject's own; None where it has that of the whole registry."""
    try:
        found = registry.get_config(subject)
    except SchemaRegistryError as error:
        if error.http_status_code == HTTPStatus.NOT_FOUND:
            return None
        raise
    return found.compatibility_level or found.compatibility
