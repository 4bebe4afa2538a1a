"""Sums of the movements that a ledger of before has: `setup` writes them, once. New ones are the sinks' work."""

import logging
from contextlib import closing

from credit_movements import clickhouse, clients
from credit_movements.settings import Settings
from kafka_io.offsets import committed_offsets
from kafka_io.positions import TopicPartition
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.loop import CONSUMER_SETTINGS
from sinks.write.sums.fill import fill, has_movements

logger = logging.getLogger(__name__)


def sum_up(settings: Settings) -> int:
    """Write the sums of all that ClickHouse has of this log; nothing is done twice. Gives the number of blocks of the log.

    Raises UnreachableError, KafkaException, and clickhouse_connect's OperationalError and DatabaseError.
    """
    topic = clients.topics_there(settings, [CREDIT_MOVEMENTS])[CREDIT_MOVEMENTS.name]
    log_id = str(topic.topic_id)
    with closing(clickhouse.checked_client(settings, clickhouse.REWRITE_SECONDS)) as client:
        if not has_movements(client, log_id):
            return 0
        return fill(
            client,
            log_id,
            _stored(settings, len(topic.partitions)),
            lambda month: logger.info("the movements of %s are added up", month),
        )


def _stored(settings: Settings, partitions: int) -> dict[int, int]:
    """By partition of the log the offset below which ClickHouse has all movements: the sinks have committed it."""
    sinks = clients.group_consumer(settings, str(CONSUMER_SETTINGS["group.id"]))
    try:
        logs = [TopicPartition(CREDIT_MOVEMENTS.name, number) for number in range(partitions)]
        return {each.partition: offset for each, offset in committed_offsets(sinks, logs).items()}
    finally:
        sinks.close()
