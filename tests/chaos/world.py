"""A Kafka, a ClickHouse database and an exports folder of one test's own, with all that publishes to it and reads from it."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as PartitionOffset
from confluent_kafka.admin import OffsetSpec

from credit_movements import clickhouse, clients
from credit_movements.settings import Settings
from credit_movements.setup.provision import make_topics
from kafka_io.positions import TopicPartition
from schemas.partitioner import account_partition
from schemas.topics import (
    ACCOUNT_PLANS,
    ADJUSTMENT_EVENTS,
    CREDIT_MOVEMENTS,
    EXPORT_REQUESTS,
    RATES,
    TOP_UP_EVENTS,
    USAGE_EVENTS,
    Topic,
)
from sinks.write.migrations import apply_migrations
from tests.chaos import load
from tests.chaos.load import Traffic
from tests.chaos.workers import Worker
from tests.integration.stack import Stack

PARTITIONS = 4
_AWAY = {
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
# Group → the topics that it reads.
READ_BY = {
    "rater": (USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS),
    "sink": (CREDIT_MOVEMENTS,),
    "exporter": (EXPORT_REQUESTS,),
}
# Command → the user of Kafka that runs it.
USER_OF = {"rate": "rater", "sink": "sink", "export": "exporter"}


class World:
    """`seed` makes its traffic. Its workers are started by the tests."""

    def __init__(self, settings: Settings, seed: int, log_dir: Path) -> None:
        self.settings = settings
        self.log_dir = log_dir
        self.set_up()
        self.stack = Stack(settings)
        self.client = clickhouse.checked_client(settings)
        self.log_id = clients.log_identity(settings)
        self.published: Counter[tuple[str, bytes | None]] = Counter()
        self.traffic = Traffic(seed, self._encoded, lambda account_id: account_partition(account_id, PARTITIONS))
        self._admin = clients.admin(settings)
        self._groups = {group: clients.group_consumer(settings, group) for group in READ_BY}
        self._workers: list[Worker] = []
        self.publish_prices()

    def set_up(self) -> None:
        make_topics(self.settings)
        apply_migrations(_text(self.settings.clickhouse_dsn))

    def publish_prices(self) -> None:
        self.stack.publish_priced(RATES, *load.RATES)
        self.stack.publish_priced(ACCOUNT_PLANS, *load.PLANS)

    def stack_of(self, _user: str) -> Stack:
        """What sends as a user of Kafka. Here nobody asks who somebody is."""
        return self.stack

    def settings_of(self, _user: str) -> Settings:
        return self.settings

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        for consumer in self._groups.values():
            consumer.close()
        self.stack.__exit__()
        self.client.close()

    def worker(self, command: str, name: str | None = None, **settings: Any) -> Worker:
        """A worker that is not started yet, and ends with this world."""
        own = self.settings_of(USER_OF[command]).model_copy(update=settings)
        worker = Worker(command, own, self.log_dir, name)
        self._workers.append(worker)
        return worker

    def publish(self, count: int) -> None:
        """The next messages of the traffic."""
        for _ in range(count):
            sent = next(self.traffic)
            self.published[sent.topic.name, sent.value] += 1
            self.stack_of("publisher").send(sent.topic, sent.value, sent.account_id, sent.partition)

    def ask(self, account_id: str, request_id: str) -> None:
        """What the dashboard does when somebody clicks."""
        request = {
            "request_id": request_id, "account_id": account_id, "requested_at": time.time_ns() // 1000,
            "time_zone": None, "requested_by": "user-1",
        }  # fmt: skip
        self.stack_of("dashboard").send(
            EXPORT_REQUESTS, self.stack.codec(EXPORT_REQUESTS).encode_one(request), account_id
        )

    def flush(self) -> None:
        """Wait until Kafka has all that was sent."""
        for user in ("publisher", "dashboard"):
            self.stack_of(user).flush()

    def _encoded(self, topic: Topic, record: dict[str, Any]) -> bytes:
        return self.stack.codec(topic).encode_one(record)

    def ends(self, topics: Iterable[Topic]) -> dict[TopicPartition, int]:
        """Where each partition ends, open transactions included. In one request: it is asked for ten times a second."""
        names = clients.names(self.settings)
        partitions = [
            PartitionOffset(names.real(topic.name), number) for topic in topics for number in range(PARTITIONS)
        ]
        latest = {each: OffsetSpec.latest() for each in partitions}
        answers = self._admin.list_offsets(latest, request_timeout=10)
        return {
            TopicPartition(names.contract(each.topic), each.partition): end.result(10).offset
            for each, end in answers.items()
        }

    def lag(self, group: str, topics: Iterable[Topic] | None = None) -> int:
        """Offsets that a group has not committed yet, of all that it reads or of these topics."""
        ends = self.ends(READ_BY[group] if topics is None else topics)
        committed = _committed(self._groups[group], ends)
        # A partition that nothing was ever written to has nothing to commit.
        return sum(max(0, end - committed[each]) for each, end in ends.items())

    def is_done(self, *groups: str) -> bool:
        """Whether nothing is left to do for these groups, asked in the order of the flow. A broker that does not answer now
        has not said so."""
        try:
            return all(self.lag(group) == 0 for group in groups)
        except KafkaException as failure:
            if failure.args[0].code() not in _AWAY:
                raise
            return False

    def wait_until_done(self, *groups: str, seconds: float = 60.0) -> float:
        """Until nothing is left to do; says how many seconds that took."""
        began = time.monotonic()
        while not self.is_done(*groups):
            waited = time.monotonic() - began
            if waited > seconds:
                lags = {group: self.lag(group) for group in groups}
                logs = "\n".join(
                    f"--- {worker.command}\n{worker.log()}" for worker in self._workers if worker.is_started
                )
                raise AssertionError(f"after {waited:.0f} s the lag is {lags}\n{logs}")
            for worker in self._workers:
                worker.start_again_if_it_gave_up()
            time.sleep(0.1)
        return time.monotonic() - began


def _committed(consumer: Consumer, partitions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    answers = consumer.committed([PartitionOffset(*each) for each in partitions], 10)
    return {TopicPartition(each.topic, each.partition): max(each.offset, 0) for each in answers}


def _text(secret: Any) -> str:
    return str(secret.get_secret_value())
