"""What Kafka's users may do, on a broker that allows nothing else: the ACLs of `setup --acls`, held against the contract."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from credit_movements import clients
from credit_movements.explain.explainer import Explainer
from credit_movements.explain.explanation import Fate, Question
from credit_movements.explain.found import TOPICS
from credit_movements.publishing.records import publish
from credit_movements.refusals import RefusedError
from credit_movements.settings import Settings, variable
from credit_movements.setup.acls import USERS, permissions, principals
from credit_movements.setup.granting import Granted, GrantError, grant
from schemas.topics import ALL_TOPICS, USAGE_EVENTS
from sinks.write.migrations import apply_migrations
from tests.conftest import PREFIX
from tests.integration.records import event
from tests.integration.stack import eventually
from tests.kafka.brokers import delete_topics
from tests.kafka.secured import ADMIN, STRANGER, SecuredKafka

# The broker is shared: the names in it have a prefix, which the registry knows too.
DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED
# By the contract, section 1; and who only reads what others wrote.
WRITTEN_BY = {
    "usage-events": {"publisher", "commands"}, "top-up-events": {"publisher", "commands"},
    "adjustment-events": {"publisher", "commands"},
    "rates": {"commands"}, "account-plans": {"commands"},
    "credit-movements": {"rater"}, "credit-alerts": {"watch"}, "alert-settings": {"commands", "dashboard"},
    "export-requests": {"dashboard"}, "export-notifications": {"exporter"},
    "usage-events.dlq": {"rater"}, "top-up-events.dlq": {"rater"}, "rates.dlq": {"rater"}, "account-plans.dlq": {"rater"},
    "export-requests.dlq": {"exporter"}, "adjustment-events.dlq": {"rater"}, "alert-settings.dlq": {"watch"},
}  # fmt: skip
READ_BY = {
    "usage-events": {"rater", "exporter", "commands"}, "top-up-events": {"rater", "exporter", "commands"},
    "adjustment-events": {"rater", "exporter", "commands"},
    "rates": {"rater", "commands"}, "account-plans": {"rater", "commands"},
    "credit-movements": {"rater", "sink", "watch", "exporter", "commands"},
    "credit-alerts": {"watch", "mailer", "dashboard"}, "alert-settings": {"watch"},
    "export-requests": {"exporter"}, "export-notifications": {"mailer"},
    "usage-events.dlq": {"commands"}, "top-up-events.dlq": {"commands"}, "rates.dlq": {"commands"},
    "account-plans.dlq": {"commands"}, "export-requests.dlq": {"commands"},
    "adjustment-events.dlq": {"commands"}, "alert-settings.dlq": {"commands"},
}  # fmt: skip


def settings_of(kafka: SecuredKafka, user: str) -> Settings:
    return Settings(**kafka.settings(user))


def real(name: str) -> str:
    return PREFIX + name


def grant_all(kafka: SecuredKafka, user: str = ADMIN) -> Granted:
    return grant(settings_of(kafka, user), permissions(real), principals(), real(""))


@pytest.fixture(scope="module")
def granted(secured_broker: SecuredKafka) -> Iterator[Granted]:
    """All permissions, and all topics with nothing in them."""
    admin = secured_broker.admin()
    for answer in admin.create_topics([NewTopic(real(topic.name), 1) for topic in ALL_TOPICS]).values():
        answer.result(30)
    yield grant_all(secured_broker)
    # As it was: it may be asked for again.
    delete_topics(admin, [real(topic.name) for topic in ALL_TOPICS])
    for deleted in admin.delete_acls([*map(_whoever_may, _named())]).values():
        deleted.result(30)


def _named() -> set[tuple[ResourceType, str]]:
    return {(ResourceType[each.resource.name], each.name) for each in permissions(real)}


def _whoever_may(named: tuple[ResourceType, str]) -> AclBindingFilter:
    kind, name = named
    return AclBindingFilter(kind, name, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)


def allowed(table: dict[str, set[str]], user: str) -> set[str]:
    return {name for name, users in table.items() if user in users}


@pytest.mark.parametrize("user", [*USERS, STRANGER])
def test_each_user_writes_what_the_contract_says_and_nothing_else(
    secured_broker: SecuredKafka, granted: Granted, user: str
) -> None:
    answers: dict[str, KafkaError | None] = {}
    # Not an idempotent one: who may write to no topic at all is refused as such, before any record.
    producer = Producer(secured_broker.client(user, **{"message.timeout.ms": 30_000}), logger=clients.kafka_log)
    for topic in ALL_TOPICS:
        producer.produce(
            real(topic.name),
            b"x",
            partition=0,
            on_delivery=lambda error, _, name=topic.name: answers.update({name: error}),
        )
    assert producer.flush(60) == 0
    assert {name for name, error in answers.items() if error is None} == allowed(WRITTEN_BY, user)
    assert {error.code() for error in answers.values() if error is not None} <= {DENIED}


@pytest.mark.parametrize("user", [*USERS, STRANGER])
def test_each_user_reads_what_the_contract_says_and_nothing_else(
    secured_broker: SecuredKafka, granted: Granted, user: str
) -> None:
    consumer = clients.reading_consumer(settings_of(secured_broker, user), "acls")
    # Kafka shows no others, so nobody reads them.
    described = consumer.list_topics(timeout=30).topics
    shown = [topic.name for topic in ALL_TOPICS if real(topic.name) in described]
    consumer.assign([TopicPartition(real(name), 0, 0) for name in shown])
    answers: dict[str, int | None] = {}

    def all_have_answered() -> bool:
        for message in consumer.consume(100, 0.2):
            if message.topic():
                error = message.error()
                code = None if error is None else error.code()
                answers[message.topic().removeprefix(PREFIX)] = None if code == KafkaError._PARTITION_EOF else code
        return len(answers) == len(shown)

    try:
        eventually(all_have_answered)
    finally:
        consumer.close()
    assert {name for name, code in answers.items() if code is None} == allowed(READ_BY, user)
    assert set(answers.values()) <= {None, DENIED}
    assert allowed(READ_BY, user) <= set(shown)


def test_the_user_of_the_commands_explains(
    secured_broker: SecuredKafka, granted: Granted, registry: str, database: str
) -> None:
    apply_migrations(database)
    publisher, commands = (
        Settings(
            **secured_broker.settings(user), kafka_prefix=PREFIX, schema_registry_url=registry, clickhouse_dsn=database
        )
        for user in ("publisher", "commands")
    )
    publish(publisher, USAGE_EVENTS, [event(1)])
    # One that nobody has rated: how far the raters have come is asked too.
    with closing(Explainer(commands)) as explainer:
        explained = explainer.explain(Question(event(1)["event_id"]))
    assert (explained.copy.fate, explained.copy.record.fields["interaction_id"]) == (Fate.WAITING, "call-1")
    assert {each.topic for each in explained.searched} == {topic.name for topic in TOPICS}


@pytest.mark.parametrize(
    ("user", "lacks"),
    [
        ("sink", f"Describe of topic {real('usage-events')}"),
        ("exporter", f"Describe of topic {real('usage-events.dlq')}"),
    ],
)
def test_who_may_not_explain_is_told_what_is_missing(
    secured_broker: SecuredKafka, granted: Granted, user: str, lacks: str
) -> None:
    with pytest.raises(RefusedError, match=lacks):
        Explainer(settings_of(secured_broker, user).model_copy(update={"kafka_prefix": PREFIX}))


def test_a_user_may_be_known_by_a_certificate(secured_broker: SecuredKafka, granted: Granted) -> None:
    pair = secured_broker.authority.issue("mailer")
    settings = Settings(
        kafka_bootstrap_servers=secured_broker.mutual_servers,
        kafka_security_protocol="SSL",
        kafka_ssl_ca_file=secured_broker.ca_file,
        kafka_ssl_certificate_file=pair.certificate_file,
        kafka_ssl_key_file=pair.key_file,
    )
    shown = clients.admin(settings).list_topics(timeout=30).topics
    assert {name for name in shown if name.startswith(PREFIX)} == {real("export-notifications"), real("credit-alerts")}


def test_a_second_time_nothing_is_new_and_what_a_user_has_besides_is_named(
    secured_broker: SecuredKafka, granted: Granted
) -> None:
    assert granted == Granted(len(permissions()), [])
    also = AclBinding(
        ResourceType.TOPIC,
        real("rates"),
        ResourcePatternType.LITERAL,
        "User:mailer",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    # The client must outlive its answers.
    admin = secured_broker.admin()
    for answer in admin.create_acls([also]).values():
        answer.result(30)
    again = grant_all(secured_broker)
    assert again == Granted(0, [f"User:mailer from host *: ALLOW READ of TOPIC {real('rates')}"])


def test_what_is_taken_away_is_new_again(secured_broker: SecuredKafka, granted: Granted) -> None:
    admin = secured_broker.admin()
    taken = next(each for each in permissions(real) if each.user == "mailer")
    for deleted in admin.delete_acls([_whoever_may((ResourceType.TOPIC, taken.name))]).values():
        deleted.result(30)
    there = sum((each.resource, each.name) == (taken.resource, taken.name) for each in permissions(real))
    assert grant_all(secured_broker).new == there


def test_who_may_not_alter_the_cluster_is_told_so(secured_broker: SecuredKafka, granted: Granted) -> None:
    with pytest.raises(GrantError, match=r"this user may not change them; run it as an admin"):
        grant_all(secured_broker, "setup")


def test_a_kafka_without_an_authorizer_is_told_so(apache_broker: str) -> None:
    with pytest.raises(GrantError, match="it has no authorizer"):
        grant(Settings(kafka_bootstrap_servers=apache_broker), permissions(real), principals())


def test_the_command_grants_and_lists(secured_broker: SecuredKafka) -> None:
    given = {variable(field): str(value) for field, value in secured_broker.settings(ADMIN).items()}
    environment = os.environ | given

    def run(*options: str) -> str:
        command = (sys.executable, "-m", "credit_movements", "setup", *options)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    listed = run("--list-acls", "--principal", "dashboard=CN=web, O=acme")
    assert (
        "--allow-principal 'User:CN=web, O=acme' --operation Write --topic export-requests --topic alert-settings\n"
        in listed
    )
    # To users whom nobody knows.
    others = [f"--principal={user}=another-{user}" for user in USERS]
    assert run("--acls", *others).startswith(
        f"{len(permissions())} permissions of {len(USERS)} Kafka users are there, "
    )
