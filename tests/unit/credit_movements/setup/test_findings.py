"""`setup` names each topic that is not as the contract wants it."""

import pytest

from credit_movements.setup.findings import Finding, TopicOnKafka, compacted_away, findings
from schemas.topics import (
    ACCOUNT_PLANS,
    ALL_TOPICS,
    CREDIT_MOVEMENTS,
    EXPORT_NOTIFICATIONS,
    EXPORT_REQUESTS,
    RATES,
    TOP_UP_EVENTS,
    USAGE_EVENTS,
    Topic,
)

KEPT_BY_ACCOUNT = [topic for topic in ALL_TOPICS if topic.partitioned_by_account]
MONTH_MS = str(30 * 86_400_000)


def on_kafka(topic: Topic, partitions: int | None = None, **settings: str) -> TopicOnKafka:
    """A topic as the contract wants it, but for what is given; `_` stands for the dots of a setting's name."""
    changed = {name.replace("_", "."): value for name, value in settings.items()}
    return TopicOnKafka(
        topic, topic.name, "id", topic.partitions(12) if partitions is None else partitions, topic.config() | changed
    )


def told(*topics: TopicOnKafka) -> list[tuple[str, str | None, bool]]:
    return [(each.topic.name, each.setting, each.can_charge_wrongly) for each in findings(topics)]


def test_topics_as_setup_makes_them_are_well() -> None:
    assert told(*(on_kafka(topic) for topic in ALL_TOPICS)) == []


def test_nothing_is_said_of_settings_that_kafka_does_not_tell() -> None:
    assert told(*(TopicOnKafka(topic, topic.name, "id", topic.partitions(12), {}) for topic in ALL_TOPICS)) == []


@pytest.mark.parametrize("topic", [RATES, ACCOUNT_PLANS, CREDIT_MOVEMENTS])
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1073741824"),
    ],
)
def test_a_history_that_is_not_kept_whole_can_charge_wrongly(topic: Topic, setting: str, value: str) -> None:
    assert told(on_kafka(topic, **{setting.replace(".", "_"): value})) == [(topic.name, setting, True)]


@pytest.mark.parametrize("topic", [USAGE_EVENTS, TOP_UP_EVENTS])
def test_events_that_are_compacted_are_lost_before_they_are_charged(topic: Topic) -> None:
    assert told(on_kafka(topic, cleanup_policy="compact")) == [(topic.name, "cleanup.policy", True)]


@pytest.mark.parametrize(
    ("topic", "setting", "value"),
    [
        (USAGE_EVENTS, "message.timestamp.type", "CreateTime"),
        (EXPORT_REQUESTS, "message.timestamp.type", "CreateTime"),
        (USAGE_EVENTS, "retention.ms", MONTH_MS),
        (EXPORT_NOTIFICATIONS, "retention.bytes", "1000000000"),
        (CREDIT_MOVEMENTS, "max.message.bytes", "65536"),
        (EXPORT_REQUESTS, "cleanup.policy", "compact"),
    ],
)
def test_of_other_settings_is_warned(topic: Topic, setting: str, value: str) -> None:
    found = on_kafka(topic, **{setting.replace(".", "_"): value})
    assert told(found) == [(topic.name, setting, False)]
    assert findings([found])[0].wanted == topic.config()[setting]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("retention.ms", "-1"), ("retention.ms", str(90 * 86_400_000)), ("max.message.bytes", "8388608")],
)
def test_to_keep_more_is_as_good(setting: str, value: str) -> None:
    assert told(on_kafka(USAGE_EVENTS, **{setting.replace(".", "_"): value})) == []


def test_any_clock_is_good_for_what_no_clock_decides() -> None:
    assert told(on_kafka(CREDIT_MOVEMENTS, message_timestamp_type="LogAppendTime")) == []


@pytest.mark.parametrize("topic", KEPT_BY_ACCOUNT)
def test_one_topic_with_another_number_of_partitions_can_charge_wrongly(topic: Topic) -> None:
    (finding,) = findings(on_kafka(each, 24 if each is topic else 12) for each in KEPT_BY_ACCOUNT)
    assert (finding.can_charge_wrongly, finding.setting) == (True, None)
    assert str(finding).startswith(f"topic {topic.name} has 24 partitions, but ")


def test_prices_in_more_than_one_partition_have_no_order() -> None:
    (finding,) = findings([on_kafka(RATES, 12)])
    assert finding.can_charge_wrongly
    assert str(finding).startswith("topic rates has 12 partitions and not 1: ")


def test_a_finding_says_what_is_wrong_and_what_to_run() -> None:
    (finding,) = findings([on_kafka(RATES, cleanup_policy="compact")])
    assert str(finding) == (
        "topic rates has cleanup.policy=compact and not delete: records that others still have to read are deleted;"
        " `credit-movements setup` changes it"
    )


@pytest.mark.parametrize(("topic", "what"), [(RATES, "all decks"), (ACCOUNT_PLANS, "all plans")])
def test_what_was_compacted_away_has_to_be_published_again(topic: Topic, what: str) -> None:
    (finding,) = findings([on_kafka(topic, cleanup_policy="compact")])
    assert f"publish {what} again" in (compacted_away(finding) or "")


def test_of_other_changes_nothing_remains_to_be_done() -> None:
    found = [on_kafka(RATES, retention_ms="1"), on_kafka(USAGE_EVENTS, cleanup_policy="compact")]
    assert [compacted_away(each) for each in findings(found)] == [None, None]
    assert isinstance(findings(found)[0], Finding)
