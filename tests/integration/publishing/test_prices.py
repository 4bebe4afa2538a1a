"""Publishing prices, all or nothing, and one price list for all readers whenever they start."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from credit_movements import clients
from credit_movements.publishing.prices import RefusedPricesError, StoppedPublishingError, publish_prices
from credit_movements.publishing.published import Published
from credit_movements.publishing.records import NotDeliveredError
from credit_movements.settings import Settings
from credit_movements.setup.topics import TopicSettingsError
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.price_feed import PriceFeed
from streams.pricing.deck.fault import LINE
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from tests.integration.records import DAY, YESTERDAY, rate
from tests.integration.setup.test_topics import alter, on_kafka_itself
from tests.integration.stack import Stack, eventually

Record = dict[str, Any]

DOLLAR = rate(rate_card_id="dollar", currency="USD")


def plan(account: str, card: str, effective_from: int = 0) -> Record:
    return {"account_id": account, "rate_card_id": card, "effective_from": effective_from}


def lines(*records: Record) -> pl.DataFrame:
    """As of a file with a header."""
    schema = RATE_COLUMNS if "usage_type" in records[0] else PLAN_COLUMNS
    return pl.DataFrame(records, schema=schema).with_row_index(LINE, offset=2)


def faults(stack: Stack, topic: Topic, *records: Record) -> list[str]:
    """What is wrong with these records; nothing of them may have been published."""
    before = len(stack.read(topic.name))
    with pytest.raises(RefusedPricesError) as refused:
        publish_prices(stack.settings, topic, lines(*records))
    assert len(stack.read(topic.name)) == before
    return [str(fault) for fault in refused.value.faults]


def test_a_deck_is_published_once_and_then_only_what_is_new_in_it(stack: Stack) -> None:
    deck = lines(rate(), rate(usage_type="sms"), DOLLAR)
    first, again = (publish_prices(stack.settings, RATES, deck) for _ in range(2))
    assert [(first.sent, first.unchanged), (again.sent, again.unchanged)] == [(3, 0), (0, 3)]
    ended = rate(effective_to=YESTERDAY)
    more = publish_prices(stack.settings, RATES, lines(ended, rate(usage_type="sms"), rate(effective_from=YESTERDAY)))
    assert (more.sent, more.unchanged) == (2, 1)
    assert stack.records(RATES)[3:] == [ended, rate(effective_from=YESTERDAY)]


def test_of_a_deck_with_one_line_that_the_raters_would_refuse_nothing_is_published(stack: Stack) -> None:
    publish_prices(stack.settings, RATES, lines(rate()))
    assert faults(stack, RATES, rate(usage_type="sms"), rate(increment=1), rate(usage_type="mms", currency="USD")) == [
        "line 3, increment: 1, but 'default|call||1970-01-01T00:00:00.000000Z' is published with 60; a new price needs a new"
        " effective_from",
        "line 4, currency: USD, but card 'default' is in EUR",
    ]


def test_a_plan_that_would_change_an_account_s_currency_is_not_published(stack: Stack) -> None:
    publish_prices(stack.settings, RATES, lines(rate(), DOLLAR))
    publish_prices(stack.settings, ACCOUNT_PLANS, lines(plan("acme", "dollar")))
    assert faults(stack, ACCOUNT_PLANS, plan("other", "default"), plan("acme", "default", DAY)) == [
        "line 3, rate_card_id: card 'default' is in EUR, but account 'acme' is on cards in USD: an account has one balance"
    ]
    again = publish_prices(stack.settings, ACCOUNT_PLANS, lines(plan("acme", "dollar"), plan("other", "nowhere")))
    assert (again.sent, again.unchanged) == (1, 1)
    assert [str(each) for each in again.warnings] == [
        "line 3, rate_card_id: card 'nowhere' has no rates: till it has, nothing is charged"
    ]


def test_rates_that_would_put_a_plan_out_of_force_are_not_published(stack: Stack) -> None:
    publish_prices(stack.settings, RATES, lines(rate(), rate(rate_card_id="gold")))
    publish_prices(stack.settings, ACCOUNT_PLANS, lines(plan("acme", "new"), plan("acme", "gold", DAY)))
    (fault,) = faults(stack, RATES, rate(usage_type="sms"), rate(rate_card_id="new", currency="USD"))
    assert fault.startswith("line 3, rate_card_id: card 'gold' is in EUR, but account 'acme' is on cards in USD")


def test_nothing_is_published_to_a_topic_that_is_compacted(stack: Stack) -> None:
    alter(stack.settings, RATES, "cleanup.policy", "compact")
    with pytest.raises(TopicSettingsError, match="`credit-movements setup` changes it"):
        publish_prices(stack.settings, RATES, lines(rate()))


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let somebody act between the reading of what is published and the publishing."""
    read_on = Published.read_on

    def read_and_let_act(published: Published) -> None:
        read_on(published)
        monkeypatch.setattr(Published, "read_on", read_on)
        act()

    monkeypatch.setattr(Published, "read_on", read_and_let_act)


@pytest.mark.parametrize("at", ["reading what is published", "publishing"])
def test_of_what_is_stopped_before_its_end_nothing_is_published(stack: Stack, at: str) -> None:
    publish_prices(stack.settings, RATES, lines(rate()))
    stop = threading.Event()
    with pytest.raises(StoppedPublishingError, match=r"^stopped: nothing was published$"):
        publish_prices(
            stack.settings, RATES, lines(rate(usage_type="sms"), rate(usage_type="mms")), stop,
            lambda doing, _: stop.set() if doing == at else None,
        )  # fmt: skip
    assert stack.records(RATES) == [rate()]
    assert publish_prices(stack.settings, RATES, lines(rate(usage_type="sms"))).sent == 1


def test_who_stops_behind_the_publishing_is_told_that_all_is_published(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    def stopping(client: type[Producer]) -> type[Producer]:
        class Stopping(client):  # type: ignore[misc, valid-type]
            def commit_transaction(self, *arguments: float) -> None:
                super().commit_transaction(*arguments)
                stop.set()

        return Stopping

    # Of these two it is the second where names have a prefix.
    for name in ("Producer", "PrefixedProducer"):
        monkeypatch.setattr(clients, name, stopping(getattr(clients, name)))
    with pytest.raises(StoppedPublishingError, match=r"^stopped: all is published, and was not read back$"):
        publish_prices(stack.settings, RATES, lines(rate()), stop)
    assert stack.records(RATES) == [rate()]


# Tansu does not answer a producer that was overtaken.
@on_kafka_itself
def test_of_two_who_publish_at_once_the_later_one_stands_and_the_other_has_published_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = [rate(increment=1), rate(usage_type="sms")]
    meanwhile(monkeypatch, lambda: publish_prices(stack.settings, RATES, lines(rate(increment=6))))
    with pytest.raises(NotDeliveredError, match="somebody else began to publish prices, and nothing was published"):
        publish_prices(stack.settings, RATES, lines(*deck))
    assert stack.records(RATES) == [rate(increment=6)]
    assert len(faults(stack, RATES, *deck)) == 1


def test_what_another_client_publishes_in_the_same_moment_is_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: stack.publish_priced(RATES, rate(increment=6)))
    with pytest.raises(RefusedPricesError) as refused:
        publish_prices(stack.settings, RATES, lines(rate(usage_type="sms"), rate(increment=1)))
    assert [fault.line for fault in refused.value.faults] == [3]
    published = Published(stack.settings)
    published.read_on()
    assert published.history.rates.filter(usage_type=rate()["usage_type"])["increment"].to_list() == [6]


# On Tansu an open transaction holds nobody up.
@on_kafka_itself
def test_whether_it_stands_is_told_when_all_that_was_written_before_it_has_ended(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka answers a commit before each partition has heard of it. A stranger's open transaction before ours is as that, and
    longer: a reader of what is committed meets the end of the partition before our records."""
    stranger = Producer({"bootstrap.servers": stack.settings.kafka_bootstrap_servers, "transactional.id": "stranger"})

    def begin() -> None:
        stranger.init_transactions(30)
        stranger.begin_transaction()
        stranger.produce(clients.names(stack.settings).real(RATES.name), b"never committed")
        stranger.flush()
        ending.start()

    ending = threading.Timer(1.5, stranger.abort_transaction, [10])
    meanwhile(monkeypatch, begin)
    try:
        assert publish_prices(stack.settings, RATES, lines(rate())).sent == 1
    finally:
        ending.join()


ACCOUNTS = ["acme", "other", "third", "nobody"]
TIMES = [0, YESTERDAY, YESTERDAY + DAY]
# What one publisher after the other sends, rules or no rules.
HISTORY: list[tuple[Topic, list[Record]]] = [
    (ACCOUNT_PLANS, [plan("acme", "dollar"), plan("third", "late", YESTERDAY)]),
    (RATES, [rate(), DOLLAR, rate(increment=1), rate(usage_type="sms", currency="USD")]),
    (ACCOUNT_PLANS, [plan("acme", "default", YESTERDAY), plan("other", "dollar", YESTERDAY), plan("", "default")]),
    (RATES, [rate(effective_to=YESTERDAY), rate(effective_from=YESTERDAY, increment=6), rate(increment=7)]),
    (ACCOUNT_PLANS, [plan("acme", "dollar", YESTERDAY), plan("third", "default", YESTERDAY + DAY)]),
    (RATES, [rate(rate_card_id="late", currency="USD"), rate(rate_card_id="late", usage_type="sms"), rate()]),
]


@contextmanager
def feeds(settings: Settings) -> Iterator[Callable[[], PriceFeed]]:
    """Makes price feeds as raters have them, each having read to the end."""
    consumers: list[Consumer] = []
    started_feeds: list[PriceFeed] = []

    def started() -> PriceFeed:
        consumers.append(clients.reading_consumer(settings, "price"))
        codecs = (clients.codec(settings, topic) for topic in (RATES, ACCOUNT_PLANS))
        started_feeds.append(PriceFeed(consumers[-1], *codecs, "default", time.monotonic))
        started_feeds[-1].read_to_end(threading.Event())
        return started_feeds[-1]

    try:
        yield started
    finally:
        for feed in started_feeds:
            feed.close()
        for each in consumers:
            each.close()


def price_list(feed: PriceFeed) -> tuple[object, ...]:
    """Everything that a rater looks up, and what it would dead-letter."""
    accounts = pl.Series([account for account in ACCOUNTS for _ in TIMES])
    cards = feed.prices.plans.cards(accounts, np.array(TIMES * len(ACCOUNTS), dtype=np.int64))
    on = [feed.prices.card_names[card] if card >= 0 else None for card in cards.tolist()]
    currencies = dict(zip(feed.prices.card_names, feed.prices.card_currencies, strict=True))
    return feed._reader._history.rates.to_dicts(), currencies, on


def test_raters_that_start_at_different_moments_have_one_price_list(stack: Stack) -> None:
    with feeds(stack.settings) as started:
        raters = [started()]
        for topic, records in HISTORY:
            stack.publish_priced(topic, *records)
            end = clients_end(stack, topic)
            for rater in raters:
                eventually(lambda rater=rater, topic=topic, end=end: has_read(rater, topic, end))  # type: ignore[misc]
            raters.append(started())
        lists = [price_list(rater) for rater in raters]
        assert lists[1:] == lists[:-1]
        rates, currencies, cards = lists[-1]
        assert [each["increment"] for each in rates if each["rate_card_id"] == "default"] == [60, 6]  # type: ignore[attr-defined]
        assert currencies == {"default": "EUR", "dollar": "USD", "late": "USD", None: None}
        assert cards == [*["dollar"] * 3, *["default"] * 3, *["default"] * 3, *["default"] * 3]
        refused = {price.position for price in raters[-1].refused}
        assert all({price.position for price in rater.refused} <= refused for rater in raters)


def clients_end(stack: Stack, topic: Topic) -> int:
    return (stack.read(topic.name)[-1].offset() or 0) + 1


def has_read(feed: PriceFeed, topic: Topic, end: int) -> bool:
    """And made a list of it that is in force."""
    feed.refresh()
    (position,) = feed._reader._consumer.position([TopicPartition(topic.name, 0)])
    if position.offset < end:
        return False
    read_at = time.monotonic()
    eventually(lambda: feed.refresh() or feed.level_at_seconds > read_at)
    return True
