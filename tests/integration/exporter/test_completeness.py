"""How far the rating has come, asked of real brokers."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as PartitionOffset
from confluent_kafka.admin import AdminClient, NewTopic

from exporter.foreign_outages import KafkaUnavailableError
from exporter.positions.completeness import Completeness, Rated
from exporter.positions.movements_log import MovementsLog
from schemas.topics import CREDIT_MOVEMENTS, TOP_UP_EVENTS, USAGE_EVENTS
from tests.integration.exporter.exporter_stack import wait_for
from tests.kafka.brokers import Kafka

PARTITION, OTHER = 1, 0
NOW_MICROS = 1_900_000_000_000_000


class Broker:
    """A broker, and the questions that an exporter asks it."""

    def __init__(self, kafka: Kafka, timestamps: str = "LogAppendTime") -> None:
        self.servers = {"bootstrap.servers": kafka.bootstrap_servers}
        admin = AdminClient(self.servers)  # must outlive its answers
        for topic in (USAGE_EVENTS, TOP_UP_EVENTS, CREDIT_MOVEMENTS):
            config = {"message.timestamp.type": timestamps if topic is not CREDIT_MOVEMENTS else "CreateTime"}
            admin.create_topics([NewTopic(topic.name, 2, 1, config=config)])[topic.name].result()
        reading = {
            **self.servers,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
        }
        self.consumers = [
            Consumer({**reading, "group.id": "log-end"}),
            Consumer({**reading, "group.id": "sink"}),
            Consumer({**reading, "group.id": "progress", "isolation.level": "read_uncommitted"}),
            Consumer({**reading, "group.id": "rater"}),
        ]
        self.positions = MovementsLog(*self.consumers[:2])
        self.completeness = Completeness(*self.consumers[2:], self.positions.written_ends, lambda: NOW_MICROS)
        self.producer = Producer({**self.servers, "linger.ms": 0})
        wait_for(self._answers, 20)

    def _answers(self) -> bool:
        """A busy broker says that a topic is made a moment before it has its partitions, and the groups' coordinator."""
        try:
            return self.rated_until() is None
        except KafkaUnavailableError:
            return False

    def rated_until(self) -> Rated | None:
        return self.completeness.rated_until([PARTITION])[PARTITION]

    def log_end(self) -> int:
        return self.positions.end_offsets([PARTITION])[PARTITION]

    def publish(self, topic: str, count: int) -> None:
        for _ in range(count):
            self.producer.produce(topic, b"x", partition=PARTITION)
            assert self.producer.flush(10) == 0
            time.sleep(0.005)

    def rate(self, usage: int, top_ups: int) -> None:
        self.commit(PARTITION, usage, top_ups)

    def commit(self, partition: int, usage: int, top_ups: int) -> None:
        offsets = ((USAGE_EVENTS.name, usage), (TOP_UP_EVENTS.name, top_ups))
        self.consumers[3].commit(
            offsets=[PartitionOffset(topic, partition, offset) for topic, offset in offsets], asynchronous=False
        )

    def time_of(self, topic: str, offset: int) -> int:
        reader = self.consumers[2]
        reader.assign([PartitionOffset(topic, PARTITION, offset)])
        message = next(each for each in iter(lambda: reader.poll(1), 0) if each is not None)
        reader.unassign()
        return message.timestamp()[1] * 1000


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[Broker]:
    broker = Broker(kafka)
    yield broker
    for consumer in broker.consumers:
        consumer.close()


def test_before_anything_was_ever_rated_nothing_is_known(broker: Broker) -> None:
    broker.publish(USAGE_EVENTS.name, 1)
    assert broker.rated_until() is None


def test_where_all_is_rated_it_is_complete_until_the_question_was_asked(broker: Broker) -> None:
    broker.publish(USAGE_EVENTS.name, 3)
    broker.publish(CREDIT_MOVEMENTS.name, 3)
    broker.rate(3, 0)
    assert broker.rated_until() == (NOW_MICROS, 3)


def test_many_partitions_are_asked_for_at_once_and_each_has_its_own_answer(broker: Broker) -> None:
    broker.publish(USAGE_EVENTS.name, 3)
    broker.publish(CREDIT_MOVEMENTS.name, 2)
    broker.rate(3, 0)
    assert broker.completeness.rated_until([PARTITION, OTHER]) == {PARTITION: (NOW_MICROS, 2), OTHER: None}
    broker.commit(OTHER, usage=0, top_ups=0)
    assert broker.completeness.rated_until([OTHER, PARTITION]) == {PARTITION: (NOW_MICROS, 2), OTHER: (NOW_MICROS, 0)}
    assert broker.positions.end_offsets([PARTITION, OTHER]) == {PARTITION: 2, OTHER: 0}
    assert broker.positions.written_ends([PARTITION, OTHER]) == {PARTITION: 2, OTHER: 0}
    assert broker.positions.sink_positions([PARTITION, OTHER]) == {PARTITION: 0, OTHER: 0}


@pytest.mark.usefixtures("not_on_tansu")  # whose records have their publishers' times
def test_where_the_rater_is_behind_it_is_complete_until_the_first_record_that_waits(broker: Broker) -> None:
    broker.publish(TOP_UP_EVENTS.name, 3)
    broker.publish(USAGE_EVENTS.name, 4)
    broker.publish(CREDIT_MOVEMENTS.name, 2)
    broker.rate(2, 3)
    assert broker.rated_until() == (broker.time_of(USAGE_EVENTS.name, 2), 2)
    broker.rate(2, 1)
    older = broker.time_of(TOP_UP_EVENTS.name, 1)
    assert older < broker.time_of(USAGE_EVENTS.name, 2)
    assert broker.rated_until() == (older, 2)


def test_times_that_a_publisher_made_tell_nothing(kafka: Kafka) -> None:
    broker = Broker(kafka, timestamps="CreateTime")
    broker.publish(USAGE_EVENTS.name, 2)
    broker.rate(1, 0)
    assert broker.rated_until() is None
    broker.rate(2, 0)
    assert broker.rated_until() == (NOW_MICROS, 0)
    for consumer in broker.consumers:
        consumer.close()


def test_movements_of_an_open_transaction_are_waited_for(broker: Broker) -> None:
    broker.publish(USAGE_EVENTS.name, 1)
    broker.rate(1, 0)
    rater = Producer({**broker.servers, "transactional.id": "rater-1"})
    rater.init_transactions(10)
    rater.begin_transaction()
    rater.produce(CREDIT_MOVEMENTS.name, b"x", partition=PARTITION)
    rater.flush(10)
    rated = broker.rated_until()
    assert rated is not None
    if broker.log_end() == 0:  # Tansu may show what is not committed yet: then nothing is to be waited for
        assert rated.log_end_offset >= 1
    rater.commit_transaction(10)
    # Kafka answers before it has marked the movements as committed.
    wait_for(lambda: broker.log_end() >= rated.log_end_offset, 10)


def test_the_log_ends_before_an_open_transaction_and_is_written_behind_it(broker: Broker) -> None:
    broker.publish(CREDIT_MOVEMENTS.name, 3)
    rater = Producer({**broker.servers, "transactional.id": "rater-2"})
    rater.init_transactions(10)
    rater.begin_transaction()
    for _ in range(2):
        rater.produce(CREDIT_MOVEMENTS.name, b"x", partition=PARTITION)
    rater.flush(10)
    assert broker.positions.end_offsets([PARTITION, OTHER]) == {PARTITION: 3, OTHER: 0}
    assert broker.positions.written_ends([PARTITION, OTHER]) == {PARTITION: 5, OTHER: 0}
    rater.commit_transaction(10)
    # The marker of the commit takes an offset too.
    wait_for(lambda: broker.log_end() == 6, 10)
    assert broker.positions.written_ends([PARTITION]) == {PARTITION: 6}
