"""Where a rater begins: a committed offset that is missing or gone, or a topic made anew, is a person's business."""

from collections import Counter

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from credit_movements import clients
from schemas.topics import CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS, Topic
from streams.missing_offsets import MissingOffsets
from streams.offsets import MisplacedOffsetError
from tests.integration.records import DAY, YESTERDAY, event, header, rate, top_up
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import BROKERS, TANSU, delete_topics

# Tansu says nothing when it is asked for an offset that is not there, and forgets the notes of committed offsets.
on_kafka_itself = pytest.mark.parametrize("kafka", [name for name in BROKERS if name != TANSU], indirect=True)


@pytest.fixture
def rated(stack: Stack) -> Stack:
    """Twenty events are rated and one is refused, of one account and so of one partition; more have come since."""
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *(event(number, account_id="acme") for number in range(20)))
    stack.publish(USAGE_EVENTS, event(20, account_id="acme", usage_type="fax"))
    stack.rate_everything()
    publish_more(stack)
    return stack


def publish_more(stack: Stack) -> None:
    stack.publish(USAGE_EVENTS, *(event(number, account_id="acme") for number in range(100, 105)))


def moved(stack: Stack) -> Counter[int]:
    return Counter(int(line["movement_id"][-12:], 16) for line in stack.records(CREDIT_MOVEMENTS))


def refusals(stack: Stack) -> int:
    return len([header(message, "dlq.reason") for message in stack.read("usage-events.dlq")])


def forget_the_group(stack: Stack) -> None:
    admin = AdminClient({"bootstrap.servers": stack.settings.kafka_bootstrap_servers})
    group = clients.names(stack.settings).real("rater")
    admin.delete_consumer_groups([group])[group].result(10)


def make_anew(stack: Stack, topic: Topic, config: dict[str, str] | None = None) -> None:
    admin = AdminClient({"bootstrap.servers": stack.settings.kafka_bootstrap_servers})
    called = clients.names(stack.settings).real(topic.name)
    delete_topics(admin, [called])
    stack.renew_clients()
    wanted = NewTopic(called, stack.settings.topic_partitions, 1, config=topic.config() | (config or {}))
    admin.create_topics([wanted])[called].result(10)
    # A broker may answer before it knows of the topic itself, and know of it while the log of the old one still takes records.
    eventually(lambda: topic.name in clients.topics_there(stack.settings, [topic]))
    eventually(lambda: stack.is_empty(topic))


ONCE = Counter(range(20))
MORE = Counter(range(100, 105))


def test_from_the_first_start_every_partition_has_a_committed_offset(rated: Stack) -> None:
    """So one that gets its first event late is nothing to stop at."""
    assert all(offset >= 0 for offset in rated.committed().values())
    rated.publish(TOP_UP_EVENTS, top_up(1, account_id="acme", currency="USD"))
    rated.rate_everything()
    assert moved(rated) == ONCE + MORE
    assert [header(message, "dlq.reason") for message in rated.read("top-up-events.dlq")] == ["currency_mismatch"]


def test_offsets_that_kafka_forgot_stop_the_rater(rated: Stack) -> None:
    forget_the_group(rated)
    with pytest.raises(MisplacedOffsetError, match=r"usage-events, partition \d \(0 to \d+\): no offset is committed"):
        rated.rate_everything()
    assert moved(rated) == ONCE
    rated.rate_everything(MissingOffsets.EARLIEST)
    assert moved(rated) == ONCE + MORE
    assert refusals(rated) == 2


@on_kafka_itself
def test_told_to_begin_with_the_earliest_it_knows_even_ids_that_it_may_forget(stack: Stack) -> None:
    """What was long past when it was recorded is forgotten soon, and its record may still be there."""
    make_anew(stack, USAGE_EVENTS, {"message.timestamp.type": "CreateTime"})
    stack.publish_priced(RATES, rate())
    now = YESTERDAY + DAY
    for number, recorded_at, occurred_at in ((1, now - 10 * DAY, now - 40 * DAY), (2, now, now)):
        late = event(number, account_id="acme", occurred_at=occurred_at)
        stack.send(USAGE_EVENTS, stack.codec(USAGE_EVENTS).encode_one(late), "acme", timestamp=recorded_at // 1000)
        stack.flush()
        stack.rate_everything()
    forget_the_group(stack)
    stack.rate_everything(MissingOffsets.EARLIEST)
    assert moved(stack) == Counter([1, 2])


@on_kafka_itself
def test_told_to_begin_with_the_latest_it_leaves_out_what_is_there(rated: Stack) -> None:
    forget_the_group(rated)
    with rated.rating(MissingOffsets.LATEST):
        rated.wait_until_rated()
        rated.publish(USAGE_EVENTS, event(300, account_id="acme"))
        rated.wait_until_rated()
    assert moved(rated) == ONCE + Counter([300])


@on_kafka_itself
def test_events_that_were_deleted_before_they_were_rated_stop_the_rater(rated: Stack) -> None:
    (topic_partition,) = (topic_partition for topic_partition, offset in rated.committed().items() if offset > 0)
    admin = AdminClient({"bootstrap.servers": rated.settings.kafka_bootstrap_servers})
    topic, partition = topic_partition
    gone = TopicPartition(clients.names(rated.settings).real(topic), partition, 23)
    admin.delete_records([gone])[gone].result(10)
    with pytest.raises(MisplacedOffsetError, match=r"\(23 to 26\): offset 21 is to be read next"):
        rated.rate_everything()
    rated.rate_everything(MissingOffsets.EARLIEST)
    assert moved(rated) == ONCE + Counter([102, 103, 104])


@on_kafka_itself
def test_a_source_topic_that_was_made_anew_stops_the_rater(rated: Stack) -> None:
    make_anew(rated, USAGE_EVENTS)
    publish_more(rated)
    with pytest.raises(MisplacedOffsetError, match="usage-events, partition"):
        rated.rate_everything()
    rated.rate_everything(MissingOffsets.EARLIEST)
    assert moved(rated) == ONCE + MORE


@on_kafka_itself
def test_a_source_topic_that_is_made_anew_under_its_hands_stops_the_rater(rated: Stack) -> None:
    with pytest.raises(MisplacedOffsetError, match="usage-events, partition"), rated.rating():  # noqa: PT012 - it is told at the end
        rated.wait_until_rated()
        make_anew(rated, USAGE_EVENTS)
        publish_more(rated)
        rated.wait_until_it_ends()


@on_kafka_itself
def test_a_log_of_movements_that_was_made_anew_stops_the_rater(rated: Stack) -> None:
    """The duplicates that it knew are gone with it."""
    make_anew(rated, CREDIT_MOVEMENTS)
    with pytest.raises(
        MisplacedOffsetError, match=r"-events or credit-movements was made anew since offset \d+ was committed"
    ):
        rated.rate_everything()
    rated.rate_everything(MissingOffsets.EARLIEST)
    assert moved(rated) == ONCE + MORE
