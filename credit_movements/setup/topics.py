"""Topics as Kafka has them: described, held against the contract, and changed."""

import logging
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from credit_movements import clients
from credit_movements.settings import Settings
from credit_movements.setup.findings import Finding, TopicOnKafka, findings
from credit_movements.unreachable import UnreachableError
from kafka_io.errors import UserError
from schemas.topics import Topic

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 10.0
# The settings may not be read, or this broker has none. Everything else is an outage.
_NOT_TOLD = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._UNSUPPORTED_FEATURE,
}


class TopicSettingsError(UserError):
    """A topic is such that a worker could charge wrongly: one line that says what is wrong, and what to run."""


def described(settings: Settings, *topics: Topic) -> dict[str, TopicOnKafka]:
    """Those of the topics that exist, by their names. One that was made just now is there when each broker that is asked knows
    it. Raises UnreachableError."""
    there = clients.topics_there(settings, topics)
    found = _settings(clients.admin(settings), there)
    return {
        topic.name: TopicOnKafka(
            topic, str(there[topic.name].topic_id), len(there[topic.name].partitions), found[topic.name]
        )
        for topic in topics
        if topic.name in found
    }


def checked(settings: Settings, needed: Iterable[Topic], also: Iterable[Topic] = ()) -> dict[str, TopicOnKafka]:
    """The check of every worker at its start. Each fault is one line, which says what to run.

    Raises TopicSettingsError where a worker could charge wrongly, and UnreachableError where a topic of `needed` is missing.
    """
    needed = tuple(needed)
    found = described(settings, *needed, *also)
    missing = [topic.name for topic in needed if topic.name not in found]
    if missing:
        raise clients.missing_topics(*missing)
    wrong = findings(found.values())
    for each in wrong:
        if not each.can_charge_wrongly:
            logger.warning("%s", each)
    if ends := [str(each) for each in wrong if each.can_charge_wrongly]:
        raise TopicSettingsError("; ".join(ends))
    return found


def change(settings: Settings, finding: Finding) -> str | None:
    """Change the setting of a finding. Returns why it could not be changed, None if it was."""
    assert finding.setting is not None
    entry = ConfigEntry(finding.setting, finding.wanted, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, finding.topic.name, incremental_configs=[entry])
    # The client must outlive its answers.
    kafka = clients.admin(settings)
    try:
        kafka.incremental_alter_configs([resource], request_timeout=_ANSWER_SECONDS)[resource].result()
    except KafkaException as failure:
        return str(failure.args[0].str())
    return None


def _settings(kafka: AdminClient, names: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """Topic → its settings, none where they may not be read; without topics that the broker which is asked does not know.
    Raises UnreachableError."""
    resources = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
    if not resources:
        return {}
    answers = kafka.describe_configs(list(resources.values()), request_timeout=_ANSWER_SECONDS)
    found: dict[str, Mapping[str, str]] = {}
    refused: dict[str, str] = {}
    for name, resource in resources.items():
        try:
            entries = answers[resource].result()
            found[name] = {each: entry.value for each, entry in entries.items() if entry.value is not None}
        except KafkaException as failure:
            code = failure.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            if code not in _NOT_TOLD:
                raise UnreachableError(
                    f"Kafka does not tell the settings of topic {name}: {failure.args[0].str()}"
                ) from failure
            found[name] = {}
            refused[name] = str(failure.args[0].str())
    if refused:
        why = next(iter(refused.values()))
        logger.warning("settings of topics %s cannot be read and are not checked: %s", ", ".join(refused), why)
    return found
