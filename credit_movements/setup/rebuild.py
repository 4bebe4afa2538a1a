"""Makes ClickHouse anew from the log: the sinks read it again from its beginning. Safe to repeat, and to end anywhere.

1. Nobody of the sinks' and the exporters' groups may be at work: Kafka refuses a commit beside the members of a group.
2. The sinks' offsets go to the beginning of the log. Now an export waits until the sinks have come to its end again: an
   exporter takes what lies below their offsets for stored.
3. Only then the sums go, for the sinks to write them anew, and the movements, if that was asked for.
"""

from typing import Final

from confluent_kafka import Consumer, KafkaException

from credit_movements import clickhouse, clients
from credit_movements.settings import Settings
from credit_movements.setup import topics as kafka_topics
from exporter.faust_app import GROUP_ID as EXPORTERS
from kafka_io.errors import UserError
from kafka_io.offsets import REBALANCED, OffsetAndNote, commit, committed, reported_begins
from kafka_io.positions import TopicPartition
from schemas.topics import CREDIT_MOVEMENTS, EXPORT_REQUESTS, Topic
from sinks.write.loop import CONSUMER_SETTINGS
from sinks.write.sums.store import empty_sums
from sinks.write.tables import empty_movements

SINKS: Final = str(CONSUMER_SETTINGS["group.id"])


class WorkersAtWorkError(UserError):
    """A sink or an exporter is at work, which must not be. The message says which, and what to do."""


def rebuild(settings: Settings, empty: bool) -> int:
    """Gives the number of the log's partitions. Raises WorkersAtWorkError, UnreachableError, KafkaException."""
    topics = kafka_topics.checked(settings, [CREDIT_MOVEMENTS, EXPORT_REQUESTS])
    client = clickhouse.checked_client(settings, clickhouse.REWRITE_SECONDS)
    try:
        logs = _partitions(CREDIT_MOVEMENTS, topics[CREDIT_MOVEMENTS.name].partitions)
        _check_no_exporter(settings, _partitions(EXPORT_REQUESTS, topics[EXPORT_REQUESTS.name].partitions))
        _set_back(settings, logs)
        empty_sums(client)
        if empty:
            empty_movements(client)
    finally:
        client.close()
    return len(logs)


def _partitions(topic: Topic, count: int) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for number in range(count)]


def _check_no_exporter(settings: Settings, partitions: list[TopicPartition]) -> None:
    group, reader = clients.group_consumer(settings, EXPORTERS), clients.reading_consumer(settings, "rebuild")
    try:
        found, begins = committed(group, partitions), reported_begins(reader, partitions)
        # What is committed is committed again, and where nothing is, the beginning, where an exporter begins: it changes
        # nothing, and Kafka refuses it beside a member.
        _commit(group, {each: at or OffsetAndNote(begins[each]) for each, at in found.items()}, "an exporter")
    finally:
        group.close()
        reader.close()


def _set_back(settings: Settings, logs: list[TopicPartition]) -> None:
    group, reader = clients.group_consumer(settings, SINKS), clients.reading_consumer(settings, "rebuild")
    try:
        begins = reported_begins(reader, logs)
        _commit(group, {each: OffsetAndNote(begin) for each, begin in begins.items()}, "a sink")
    finally:
        group.close()
        reader.close()


def _commit(group: Consumer, offsets: dict[TopicPartition, OffsetAndNote], who: str) -> None:
    try:
        commit(group, offsets)
    except KafkaException as error:
        if error.args[0].code() in REBALANCED:
            raise WorkersAtWorkError(
                f"{who} is at work: stop all sinks and exporters first (Kafka gives one up that was killed after"
                " CREDIT_KAFKA_SESSION_TIMEOUT_MS), and start them afterwards"
            ) from error
        raise
