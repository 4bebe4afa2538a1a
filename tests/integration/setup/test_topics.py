"""Topics that somebody else made or changed: `setup` mends what it may, and no worker begins where it could charge wrongly."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from credit_movements import clients
from credit_movements.settings import Settings
from credit_movements.setup import topics as kafka_topics
from credit_movements.setup.findings import findings
from credit_movements.setup.provision import SetupError, make_topics
from credit_movements.setup.topics import TopicSettingsError, described
from credit_movements.unreachable import UnreachableError
from credit_movements.workers.exporter import exporter_settings
from credit_movements.workers.rater import make_rater, run_rater
from schemas.topics import ACCOUNT_PLANS, ALL_TOPICS, CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS, Topic
from streams.offsets import MisplacedOffsetError
from tests.integration.records import event, header, rate
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import BROKERS, TANSU, Kafka, delete_topics

# Tansu neither keeps nor tells what nobody has set.
on_kafka_itself = pytest.mark.parametrize("kafka", [name for name in BROKERS if name != TANSU], indirect=True)


def make(kafka: Kafka, topic: Topic, partitions: int, **config: str) -> None:
    wanted = NewTopic(
        topic.name, partitions, 1, config={name.replace("_", "."): value for name, value in config.items()}
    )
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([wanted])[topic.name].result(10)
    eventually(lambda: topic.name in admin.list_topics(timeout=10).topics)


def alter(settings: Settings, topic: Topic, setting: str, value: str) -> None:
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[entry])
    admin = clients.admin(settings)
    admin.incremental_alter_configs([resource])[resource].result(10)
    eventually(lambda: described(settings, topic)[topic.name].settings[setting] == value)


def test_what_setup_makes_is_as_the_contract_wants_it_and_a_second_time_nothing_is_changed(settings: Settings) -> None:
    make_topics(settings)
    assert findings(described(settings, *ALL_TOPICS).values()) == []
    again = make_topics(settings)
    assert (again.changed, again.left) == ([], [])


def test_setup_changes_topics_that_others_made_and_says_so(kafka: Kafka, settings: Settings) -> None:
    make(kafka, RATES, 1, cleanup_policy="compact", retention_ms="-1")
    make(kafka, CREDIT_MOVEMENTS, 4, retention_ms="604800000", retention_bytes="1000000")
    changes = make_topics(settings)
    assert changes.changed[:3] == [
        "topic rates had cleanup.policy=compact and not delete: changed",
        "topic credit-movements had retention.ms=604800000 and not -1: changed",
        "topic credit-movements had retention.bytes=1000000 and not -1: changed",
    ]
    assert changes.left == [
        "topic rates was compacted, and what was compacted away is gone: publish all decks again, and start all raters anew,"
        " so that all have the same"
    ]
    assert findings(described(settings, *ALL_TOPICS).values()) == []


@on_kafka_itself
def test_setup_changes_what_the_broker_has_by_default(kafka: Kafka, settings: Settings) -> None:
    make(kafka, USAGE_EVENTS, 4)
    assert make_topics(settings).changed == [
        "topic usage-events had retention.ms=604800000 and not 3456000000: changed",
        "topic usage-events had message.timestamp.type=CreateTime and not LogAppendTime: changed",
    ]
    assert findings(described(settings, *ALL_TOPICS).values()) == []


@on_kafka_itself
def test_setup_deletes_nothing_that_somebody_keeps_for_longer(kafka: Kafka, settings: Settings) -> None:
    make(kafka, USAGE_EVENTS, 4, retention_ms="-1", message_timestamp_type="LogAppendTime")
    assert make_topics(settings).changed == []


def test_setup_names_unequal_partitions_and_makes_nothing(kafka: Kafka, settings: Settings) -> None:
    make(kafka, USAGE_EVENTS, 4)
    make(kafka, TOP_UP_EVENTS, 8)
    with pytest.raises(SetupError, match="top-up-events has 8 partitions, but usage-events has 4"):
        make_topics(settings)
    assert set(described(settings, *ALL_TOPICS)) == {USAGE_EVENTS.name, TOP_UP_EVENTS.name}


def test_setup_does_not_make_topics_with_another_count_than_there_is(kafka: Kafka, settings: Settings) -> None:
    make(kafka, USAGE_EVENTS, 8)
    with pytest.raises(SetupError, match="set CREDIT_TOPIC_PARTITIONS=8"):
        make_topics(settings)
    assert set(described(settings, *ALL_TOPICS)) == {USAGE_EVENTS.name}


@pytest.mark.parametrize("topic", [RATES, ACCOUNT_PLANS, CREDIT_MOVEMENTS], ids=lambda topic: topic.name)
def test_a_rater_does_not_begin_on_a_history_that_is_compacted(stack: Stack, topic: Topic) -> None:
    alter(stack.settings, topic, "cleanup.policy", "compact")
    with pytest.raises(TopicSettingsError) as refused:
        run_rater(stack.settings, threading.Event())
    assert str(refused.value).startswith(f"topic {topic.name} has cleanup.policy=compact and not delete")
    assert str(refused.value).endswith("`credit-movements setup` changes it")
    make_topics(stack.settings)
    kafka_topics.checked(stack.settings, ALL_TOPICS)


def test_no_worker_begins_on_movements_that_are_not_kept(stack: Stack) -> None:
    """A deduplication store that is rebuilt from such a log would not know all ids."""
    alter(stack.settings, CREDIT_MOVEMENTS, "retention.ms", "604800000")
    for begin in (lambda: make_rater(stack.settings, None), lambda: exporter_settings(stack.settings)):  # type: ignore[arg-type]
        with pytest.raises(TopicSettingsError, match=r"credit-movements has retention\.ms=604800000 and not -1"):
            begin()


def test_of_a_publisher_s_clock_a_rater_says_a_line_and_begins(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    alter(stack.settings, USAGE_EVENTS, "message.timestamp.type", "CreateTime")
    stack.publish_priced(RATES, rate())
    stack.rate_everything()
    (line,) = [line for line in caplog.messages if "message.timestamp.type" in line]
    assert "`credit-movements setup` changes it" in line


def refusing(code: int) -> Callable[..., dict[ConfigResource, Future[None]]]:
    """A method of AdminClient to which Kafka answers with an error."""

    def answer(_: AdminClient, resources: list[ConfigResource], **__: object) -> dict[ConfigResource, Future[None]]:
        answers: dict[ConfigResource, Future[None]] = {each: Future() for each in resources}
        for future in answers.values():
            future.set_exception(KafkaException(KafkaError(code)))
        return answers

    return answer


@pytest.mark.parametrize("kafka", BROKERS[:1], indirect=True)
def test_where_settings_may_not_be_read_or_changed_a_line_says_so(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alter(stack.settings, CREDIT_MOVEMENTS, "retention.ms", "1000")
    monkeypatch.setattr(AdminClient, "incremental_alter_configs", refusing(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    (left,) = make_topics(stack.settings).left
    assert left.startswith(
        "topic credit-movements has retention.ms=1000 and not -1, and Kafka does not let it be changed"
    )
    monkeypatch.setattr(AdminClient, "describe_configs", refusing(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert kafka_topics.checked(stack.settings, ALL_TOPICS)[CREDIT_MOVEMENTS.name].partitions == 4
    assert any("cannot be read and are not checked" in line for line in caplog.messages)
    # An outage is none of these: the worker waits.
    monkeypatch.setattr(AdminClient, "describe_configs", refusing(KafkaError._TIMED_OUT))
    with pytest.raises(UnreachableError):
        kafka_topics.checked(stack.settings, ALL_TOPICS)


@on_kafka_itself
def test_partitions_that_were_added_stop_the_rater(stack: Stack) -> None:
    """An account's next event would lie in another partition than its last, and none of its ids be known there."""
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, event(1))
    stack.rate_everything()
    admin = clients.admin(stack.settings)
    by_account = [topic for topic in ALL_TOPICS if topic.partitioned_by_account]
    for added in admin.create_partitions([NewPartitions(topic.name, 8) for topic in by_account]).values():
        added.result(10)
    eventually(lambda: {each.partitions for each in described(stack.settings, *by_account).values()} == {8})
    stack.publish(USAGE_EVENTS, event(2))
    with pytest.raises(MisplacedOffsetError, match=r"-events \S+ of 4, .*now \S+-events \S+ of 8"):
        stack.rate_everything()


def test_how_many_partitions_there_are_is_looked_up_and_not_believed(kafka: Kafka, settings: Settings) -> None:
    make_topics(settings.model_copy(update={"topic_partitions": 24}))
    # As somebody starts them who has the setting for `setup` alone.
    told_nothing = settings.model_copy(update={"topic_partitions": 12})
    with Stack(settings.model_copy(update={"topic_partitions": 24})) as publisher:
        publisher.publish_priced(RATES, rate())
        publisher.publish(USAGE_EVENTS, *(event(number, account_id=f"acct-{number}") for number in range(100)))
        publisher.settings = told_nothing.model_copy()
        with publisher.rating():
            publisher.settings = settings.model_copy(update={"topic_partitions": 24})
            publisher.wait_until_rated()
        letters = [header(message, "dlq.reason") for message in publisher.read("usage-events.dlq")]
        assert (letters, len(publisher.records(CREDIT_MOVEMENTS))) == ([], 100)
    assert exporter_settings(told_nothing).account_partitions == 24


@on_kafka_itself
def test_a_topic_that_not_every_broker_knows_yet_is_not_there_yet(
    settings: Settings, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three brokers one told of a topic that was made just now, and the next one, asked for its settings, did not know it:
    `setup` ended with a line, with everything made."""
    make_topics(settings)
    told = clients.topics_there(settings, [RATES, ACCOUNT_PLANS])
    delete_topics(AdminClient({"bootstrap.servers": kafka.bootstrap_servers}), [RATES.name])
    monkeypatch.setattr(clients, "topics_there", lambda *_: told)
    assert list(described(settings, RATES, ACCOUNT_PLANS)) == [ACCOUNT_PLANS.name]
