"""Timestamps that publishers choose, on each broker in turn: Tansu keeps them always, Apache Kafka with CreateTime topics."""

import shutil
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from credit_movements import clients
from schemas.topics import CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS, Topic
from streams.watches.clock import ClockBehindError
from tests.integration.rater.test_offsets import make_anew, on_kafka_itself
from tests.integration.records import DAY, event, header, rate, top_up
from tests.integration.stack import Stack

NOW = time.time_ns() // 1000
HOUR = DAY // 24
# Kafka 4 refuses what lies over an hour ahead of its own clock, unless it is told not to.
_ANY_TIME = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}


@pytest.fixture
def priced(stack: Stack) -> Stack:
    for topic in (USAGE_EVENTS, TOP_UP_EVENTS):
        make_anew(stack, topic, _ANY_TIME)
    stack.publish_priced(RATES, rate(effective_from=0))
    return stack


def publish(stack: Stack, topic: Topic, record: dict[str, Any], told_micros: int) -> None:
    stack.send(topic, stack.codec(topic).encode_one(record), record["account_id"], timestamp=told_micros // 1000)
    stack.flush()


def moved(stack: Stack) -> Counter[int]:
    return Counter(int(line["movement_id"][-12:], 16) for line in stack.records(CREDIT_MOVEMENTS))


def details(stack: Stack) -> list[str]:
    letters = [message for topic in (USAGE_EVENTS, TOP_UP_EVENTS) for message in stack.read(f"{topic.name}.dlq")]
    return [str(header(message, "dlq.detail")) for message in letters]


def test_a_host_with_a_wrong_clock_has_nobody_charged_twice_and_is_not_charged_in_the_future(priced: Stack) -> None:
    first = event(1, account_id="acme", occurred_at=NOW - HOUR)
    publish(priced, USAGE_EVENTS, first, NOW - HOUR)
    priced.rate_everything()
    ahead = NOW + 400 * DAY
    publish(priced, USAGE_EVENTS, event(2, account_id="acme", occurred_at=ahead), ahead)
    publish(priced, TOP_UP_EVENTS, top_up(3, account_id="acme", occurred_at=ahead), ahead)
    for _ in range(2):
        publish(priced, USAGE_EVENTS, first, NOW)
        priced.rate_everything()
    assert moved(priced) == Counter([1])
    assert [" lies too far after its record's " in each for each in details(priced)] == [True, True]


def test_an_old_event_with_its_own_time_is_refused_after_a_restart_on_a_new_machine_too(priced: Stack) -> None:
    publish(priced, USAGE_EVENTS, event(1, account_id="acme", occurred_at=NOW), NOW)
    priced.rate_everything()
    for lost in (False, True):
        if lost:
            shutil.rmtree(priced.settings.data_dir / "seen")
        publish(priced, USAGE_EVENTS, event(2, account_id="acme", occurred_at=NOW - 60 * DAY), NOW - 60 * DAY)
        priced.rate_everything()
    assert moved(priced) == Counter([1])
    assert ["before the newest record of its partition" in each for each in details(priced)] == [True, True]


def test_a_machine_whose_clock_lags_is_told_so_by_the_registrys_clock(
    priced: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit_movements.workers.rater.now_micros", lambda: NOW - 5 * HOUR)
    publish(priced, USAGE_EVENTS, event(1, account_id="acme", occurred_at=NOW), NOW)
    with pytest.raises(ClockBehindError, match=r"clock is \d:\d\d:\d\d behind the schema registry's"):
        priced.rate_everything()
    assert (moved(priced), details(priced)) == (Counter(), [])


@on_kafka_itself
def test_a_rater_with_other_settings_than_the_one_before_it_says_so(
    priced: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    publish(priced, USAGE_EVENTS, event(1, account_id="acme"), NOW)
    priced.rate_everything()
    assert "the same settings" not in caplog.text
    priced.settings = priced.settings.model_copy(update={"default_rate_card": "gold"})
    publish(priced, USAGE_EVENTS, event(2, account_id="acme"), NOW)
    priced.rate_everything()
    assert "rated with CREDIT_DEFAULT_RATE_CARD=default, CREDIT_EVENT_MAX_AGE=35 days" in caplog.text
    assert "from there; all raters of a group must have the same settings" in caplog.text


def test_the_registrys_clock_is_read(stack: Stack) -> None:
    behind = clients.behind_registry(stack.settings, lambda: time.time_ns() // 1000)
    assert behind is not None
    assert abs(behind) < timedelta(seconds=30)
