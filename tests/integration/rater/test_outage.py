"""Apache Kafka goes away in the middle of the work, and comes back with what it has on disk."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from credit_movements.embedded.ports import free_port
from credit_movements.settings import Settings
from credit_movements.setup.provision import make_topics
from schemas.topics import CREDIT_MOVEMENTS, RATES, USAGE_EVENTS
from tests.integration.rater.raters import rater
from tests.integration.records import event, rate
from tests.integration.stack import Stack, eventually
from tests.jars import NoJarsError
from tests.kafka.apache_kafka import ApacheKafka, fetched_jars
from tests.kafka.brokers import without_apache_kafka

AWAY_SECONDS = 4.0


@pytest.fixture
def apache_kafka_alone(tmp_path: Path) -> ApacheKafka:
    """Not running yet."""
    try:
        broker = ApacheKafka(tmp_path / "kafka", fetched_jars(), free_port(), free_port())
    except NoJarsError as error:
        without_apache_kafka(str(error))
        raise
    broker.format()
    return broker


def test_a_kafka_that_is_killed_and_comes_back_is_waited_for(
    apache_kafka_alone: ApacheKafka, registry: str, log_dir: Path, tmp_path: Path
) -> None:
    """Away for longer than a session may be silent, but not longer than a transaction: one that is over its time when a
    broker that stands alone starts, Kafka 4.3 leaves open in partitions that have no leader yet, and then for ever.

    On a busy machine librdkafka forgets a step of the transaction now and then (its issue 5456). Then the rater ends with one
    line, and whatever keeps it running starts it again, as here."""
    settings = Settings(
        kafka_bootstrap_servers=apache_kafka_alone.bootstrap_servers, kafka_session_timeout_ms=2000,
        schema_registry_url=registry, data_dir=tmp_path, topic_partitions=4, rater_id="test", rater_http_port=0,
        kafka_transaction_timeout_ms=300_000,
    )  # fmt: skip
    with ExitStack() as until_the_end:
        stack = until_the_end.enter_context(Stack(settings))
        with apache_kafka_alone.running(log_dir):
            make_topics(settings)
            stack.publish_priced(RATES, rate())
            stack.publish(USAGE_EVENTS, *(event(number) for number in range(100)))
            # It holds still in the middle of a transaction, so that this is where it loses Kafka.
            process = until_the_end.enter_context(rater(settings, "rater", tmp_path, ("produce_batch", "SIGSTOP")))
            process.wait_until_stopped()
        process.signal(signal.SIGCONT)
        time.sleep(AWAY_SECONDS)
        until_the_end.enter_context(apache_kafka_alone.running(log_dir))
        stack.publish(USAGE_EVENTS, *(event(number) for number in range(200)))
        eventually(lambda: process.exit_status is not None or stack.is_rated())
        if process.exit_status is not None:
            assert process.has_said("a transaction's step is stuck"), process.log()
            until_the_end.enter_context(rater(settings, "rater", tmp_path))
            eventually(lambda: stack.is_rated())
        ids = [line["movement_id"] for line in stack.records(CREDIT_MOVEMENTS)]
    assert sorted(ids) == [event(number)["event_id"] for number in range(200)]
