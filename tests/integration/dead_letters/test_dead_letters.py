"""Dead letters on a real broker: listed, decoded, and sent once more the same way as any event."""

import json
import time
import uuid
from collections import Counter
from typing import Any

import pytest

from credit_movements.dead_letters.reading import DeadLetters
from credit_movements.dead_letters.replay import REPLAYABLE, Fate, Replay, Replayed
from credit_movements.dead_letters.selection import selection
from credit_movements.settings import required, variable
from schemas.partitioner import account_partition
from schemas.topics import ACCOUNT_PLANS, ADJUSTMENT_EVENTS, CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS
from streams.pricing.rates import rfc3339
from tests.acceptance.command import run_forked as run
from tests.integration.records import DAY, adjustment, event, header, rate, top_up
from tests.integration.stack import Stack
from tests.kafka.brokers import BROKERS

ACCOUNT = "acct-1"
PARTITION = account_partition(ACCOUNT, 4)
TODAY = time.time_ns() // 1000

one_broker = pytest.mark.parametrize("kafka", BROKERS[:1], indirect=True)


def replay(
    stack: Stack, reasons: tuple[str, ...] = (), now: int = TODAY, limit: int | None = None, dry: bool = False
) -> Replayed:
    letters = DeadLetters(stack.settings, REPLAYABLE)
    try:
        wanted = selection((), reasons, None, None, REPLAYABLE)
        return Replay(stack.settings, wanted, limit, dry, lambda: now).run(letters)
    finally:
        letters.close()


def fates(replayed: Replayed) -> dict[str, int]:
    return {fate.value: count for fate in Fate if (count := replayed.of(fate))}


def reasons(stack: Stack, topic: str = "usage-events.dlq") -> Counter[str]:
    return Counter(header(message, "dlq.reason") for message in stack.read(topic))


def moved(stack: Stack) -> list[str]:
    return sorted(line["movement_id"] for line in stack.records(CREDIT_MOVEMENTS))


def test_after_the_missing_rate_is_published_its_events_replay_into_movements(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    faxes = [event(number, usage_type="fax") for number in range(30)]
    stack.publish(USAGE_EVENTS, event(100), *faxes, event(100, quantity=5))
    stack.rate_everything()
    assert reasons(stack) == {"no_rate": 30, "conflict": 1}
    stack.publish_priced(RATES, rate(), rate(usage_type="fax", price_nanos=7))
    assert fates(replay(stack)) == {"sent": 30, "would fail again": 1}
    stack.rate_everything()
    assert moved(stack) == sorted([event(100)["event_id"], *(each["event_id"] for each in faxes)])
    # It is safe to repeat: what was rated is a duplicate now.
    assert fates(replay(stack)) == {"sent": 30, "would fail again": 1}
    stack.rate_everything()
    assert len(moved(stack)) == 31
    assert reasons(stack) == {"no_rate": 30, "conflict": 1}


@one_broker
def test_a_replayed_record_is_the_publisher_s_own_in_its_account_s_partition(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    value = stack.codec(USAGE_EVENTS).encode_one(event(1))
    wrong = (PARTITION + 1) % 4
    stack.send(USAGE_EVENTS, value, ACCOUNT, partition=wrong, headers=[("trace", b"7"), ("dlq.reason", b"\xff\xfe")])
    stack.flush()
    stack.rate_everything()
    assert fates(replay(stack)) == {"sent": 1}
    (again,) = (message for message in stack.read(USAGE_EVENTS.name) if message.partition() == PARTITION)
    assert (again.key(), again.value()) == (ACCOUNT.encode(), value)
    assert again.headers() == [("trace", b"7"), ("dlq.replayed-from", f"usage-events.dlq/{wrong}@0".encode())]
    stack.rate_everything()
    assert moved(stack) == [event(1)["event_id"]]


def test_an_adjustment_replays_into_the_one_movement_that_it_is(stack: Stack) -> None:
    stack.publish_priced(RATES, rate(), rate(rate_card_id="gold", currency="USD"))
    given = adjustment(1, currency="USD", movement_id=event(1)["event_id"], reason="bad line")
    misplaced = stack.codec(ADJUSTMENT_EVENTS).encode_one(adjustment(8))
    stack.publish(ADJUSTMENT_EVENTS, given)
    stack.send(ADJUSTMENT_EVENTS, misplaced, ACCOUNT, partition=(PARTITION + 1) % 4)
    stack.flush()
    stack.rate_everything()
    assert reasons(stack, "adjustment-events.dlq") == {"currency_mismatch": 1, "wrong_partition": 1}
    # From then on the account is on the card of that currency, and the other adjustment has the wrong one.
    stack.publish_priced(ACCOUNT_PLANS, {"account_id": ACCOUNT, "rate_card_id": "gold", "effective_from": 0})
    assert fates(replay(stack)) == {"sent": 2}
    stack.rate_everything()
    assert moved(stack) == [given["event_id"]]
    assert reasons(stack, "adjustment-events.dlq") == {"currency_mismatch": 2, "wrong_partition": 1}
    assert replay(stack).of(Fate.SENT) == 2
    stack.rate_everything()
    (line,) = stack.records(CREDIT_MOVEMENTS)
    assert (line["corrected_movement_id"], line["reason"]) == (event(1)["event_id"], "bad line")


@one_broker
def test_what_comes_back_is_sent_once_however_often_it_lies_there(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    faxes = [event(number, usage_type="fax") for number in range(5)]
    stack.publish(USAGE_EVENTS, *faxes, *faxes)
    stack.rate_everything()
    for again in range(3):
        assert fates(replay(stack)) == {"sent": 5, "came back later": 5 * (again + 1)}
        stack.rate_everything()
        assert reasons(stack) == {"no_rate": 5 * (again + 3)}
    assert moved(stack) == []


@one_broker
def test_only_what_is_asked_for_is_sent(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *(event(number, usage_type="fax") for number in range(5)), event(9, quantity=-1))
    stack.publish(TOP_UP_EVENTS, top_up(1, currency="USD"))
    stack.send(USAGE_EVENTS, b"garbage", ACCOUNT)
    stack.send(USAGE_EVENTS, None, ACCOUNT)
    stack.flush()
    stack.rate_everything()
    published = len(stack.read(USAGE_EVENTS.name))
    assert fates(replay(stack, dry=True)) == {"sent": 6, "would fail again": 3}
    assert fates(replay(stack, ("no_rate",), dry=True)) == {"sent": 5}
    assert len(stack.read(USAGE_EVENTS.name)) == published
    assert fates(replay(stack, ("no_rate",), limit=2)) == {"sent": 2, "over the limit": 3}
    assert len(stack.read(USAGE_EVENTS.name)) == published + 2
    assert fates(replay(stack, ("undecodable",))) == {"sent": 2}
    stack.rate_everything()
    assert reasons(stack) == {"no_rate": 7, "quantity_out_of_range": 1, "undecodable": 4}


@one_broker
def test_an_event_too_old_to_be_taken_now_stays_where_it_is(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, event(1, usage_type="fax"), event(2, usage_type="fax", occurred_at=TODAY - 34 * DAY))
    stack.rate_everything()
    assert fates(replay(stack, now=TODAY + 2 * DAY)) == {"sent": 1, "too old": 1}


@pytest.mark.thorough
@one_broker
def test_the_commands_list_decode_and_replay(stack: Stack) -> None:
    settings = stack.settings
    environment: dict[str, Any] = {
        variable("kafka_bootstrap_servers"): str(settings.kafka_bootstrap_servers),
        variable("schema_registry_url"): required(settings, "schema_registry_url"),
        variable("topic_partitions"): "4",
    }
    assert run("dead-letters", "list", **environment).stdout == "No dead letters.\n"
    stack.publish_priced(RATES, rate())
    good = stack.codec(USAGE_EVENTS).encode_one(event(1))
    stack.send(USAGE_EVENTS, good[:-4], ACCOUNT)
    stack.publish(USAGE_EVENTS, event(2, usage_type="fax", account_id=ACCOUNT))
    stack.rate_everything()
    listed = json.loads(run("dead-letters", "list", "--json", **environment).stdout)
    assert [(line["topic"], line["reason"], line["count"]) for line in listed["counts"]] == [
        ("usage-events.dlq", "no_rate", 1),
        ("usage-events.dlq", "undecodable", 1),
    ]
    places = {each["reason"]: each["place"] for each in listed["newest"]}
    assert json.loads(run("dead-letters", "list", "--json", "--reason", "no_rate", "--topic", "usage-events",
                          "--since", "2020-01-01T00:00:00Z", **environment).stdout)["newest"][0]["detail"] == (
        f"no rate for usage type 'fax' to '+4915112345' at {rfc3339(event(2)['occurred_at'])}")  # fmt: skip
    assert json.loads(run("dead-letters", "list", "--json", "--until", "2020-01-01T00:00:00Z", **environment).stdout) == {
        "counts": [], "newest": []}  # fmt: skip
    shown = run("dead-letters", "list", "--show", places["no_rate"], **environment).stdout
    assert event(2)["event_id"] in shown
    assert f'occurred_at  "{rfc3339(event(2)["occurred_at"])}"' in shown
    assert str(event(2)["occurred_at"]) not in shown
    assert "problem" not in shown
    broken = json.loads(run("dead-letters", "list", "--json", "--show", places["undecodable"], **environment).stdout)
    assert broken["fields"]["event_id"] == event(1)["event_id"]
    assert broken["problem"].startswith("field '")
    table = run("dead-letters", "list", **environment).stdout
    assert "no_rate" in table
    assert places["undecodable"] in table
    dry = run("dead-letters", "replay", "--dry-run", **environment)
    assert "Would be sent" in dry.stdout
    assert "name their reason with --reason" in dry.stdout
    sent = run("dead-letters", "replay", "--reason", "no_rate", **environment)
    assert (sent.returncode, sent.stderr) == (0, "")
    assert len(stack.read(USAGE_EVENTS.name)) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "--reason", "bad_luck"), "--reason bad_luck: must be one of undecodable, "),
        (("list", "--topic", "credit-movements"), "--topic credit-movements: must be one of usage-events, "),
        (("list", "--since", "yesterday"), "--since yesterday: no ISO 8601 time"),
        (("replay", "--until", "2026-01-31T00:00:00"), "--until 2026-01-31T00:00:00: has no time zone"),
        (
            ("replay", "--topic", "rates"),
            "--topic rates: only usage-events, top-up-events, adjustment-events are replayed",
        ),
    ],
)
def test_a_wrong_option_is_told_in_one_line(arguments: tuple[str, ...], says: str) -> None:
    ended = run("dead-letters", *arguments)
    assert ended.returncode != 0
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith(f"credit-movements: {says}")


@pytest.mark.thorough
@one_broker
def test_a_letter_that_is_not_there_is_told_in_one_line(stack: Stack) -> None:
    environment: dict[str, Any] = {
        variable("kafka_bootstrap_servers"): stack.settings.kafka_bootstrap_servers,
        variable("schema_registry_url"): required(stack.settings, "schema_registry_url"),
    }
    for name in ("usage-events.dlq/0@7", "usage-events.dlq/99@0", "x", str(uuid.uuid4())):
        ended = run("dead-letters", "list", "--show", name, **environment)
        assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (1, 1)
