"""What the topics are asked for: records with an id, within bounds; and prices as they were."""

import time
from collections.abc import Iterator

import pytest

from credit_movements.explain.prices import Prices
from credit_movements.explain.search import Search
from kafka_io.positions import TopicPartition
from schemas.partitioner import account_partition
from schemas.topics import RATES, USAGE_EVENTS
from tests.integration.records import event, rate
from tests.integration.stack import Stack
from tests.kafka.brokers import BROKERS

pytestmark = pytest.mark.parametrize("kafka", BROKERS[:1], indirect=True)
USAGE = TopicPartition("usage-events", account_partition("acct-1", 4))


@pytest.fixture
def search(stack: Stack) -> Iterator[Search]:
    made = Search(stack.settings)
    yield made
    made.close()


def test_records_with_an_id_are_found_within_bounds(stack: Stack, search: Search) -> None:
    needle = event(8)["event_id"].encode()
    numbers = [8, *range(15, 715, 7), 8, *range(715, 1415, 7), 8]
    stack.publish(USAGE_EVENTS, *(event(number, account_id="acct-1") for number in numbers))
    everything, looked = search.holding(needle, [USAGE], 1_000, None, both_ends=False)
    assert [message.offset() for message in everything] == [0, 101, 202]
    assert [(each.topic, each.records, each.of) for each in looked] == [("usage-events", 203, 203)]
    newest, looked = search.holding(needle, [USAGE], 20, None, both_ends=False)
    assert ([message.offset() for message in newest], looked[0].records) == ([202], 20)
    both, looked = search.holding(needle, [USAGE], 20, None, both_ends=True)
    assert (sorted(message.offset() or 0 for message in both), looked[0].records) == ([0, 202], 20)
    at = search.at(USAGE, 101)
    assert at is not None
    assert needle in (at.value() or b"")
    assert search.at(USAGE, 203) is None


def test_prices_are_those_that_were_published_when_it_was_rated(stack: Stack, search: Search) -> None:
    stack.publish_priced(RATES, rate())
    hour = 3_600 * 10**6
    now = time.time_ns() // 1000
    prices = Prices(stack.settings, search, stack.codec, "acct-1")
    assert prices.now().rate_count == 1
    assert [history.rate_count for history in prices.as_rated(now - hour)] == [0, 0, 0]
    assert [history.rate_count for history in prices.as_rated(now + hour)] == [1, 1, 1]
