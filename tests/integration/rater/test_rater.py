"""The rater on each broker: from the public topics to the public topics."""

import time
from collections import Counter

from schemas.partitioner import account_partition
from schemas.topics import ACCOUNT_PLANS, ADJUSTMENT_EVENTS, CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS
from tests.integration.records import DAY, adjustment, event, header, rate, top_up
from tests.integration.stack import Stack, eventually


def test_every_event_ends_as_a_movement_a_duplicate_or_a_dead_letter(stack: Stack) -> None:
    events = [event(number) for number in range(500)]
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *events, *events[:50], event(0, quantity=7), event(900, usage_type="fax"))
    stack.publish(TOP_UP_EVENTS, *(top_up(number) for number in range(20)), top_up(3), top_up(99, currency="USD"))
    with stack.rating() as metrics:
        eventually(lambda: stack.is_rated())
    movements = stack.records(CREDIT_MOVEMENTS)
    assert Counter(line["description"] for line in movements) == {"call": 500, "top-up": 20}
    assert {line["movement_id"] for line in movements} == {each["event_id"] for each in events} | {
        top_up(number)["event_id"] for number in range(20)
    }
    assert sum(line["credit_movement_nanos"] for line in movements) == 20 * 10**10 - 500 * 120 * 1000
    reasons = Counter(header(message, "dlq.reason") for message in stack.read("usage-events.dlq"))
    assert reasons == {"conflict": 1, "no_rate": 1}
    assert [header(message, "dlq.reason") for message in stack.read("top-up-events.dlq")] == ["currency_mismatch"]
    counted = {
        name: metrics.get_sample_value(f"credit_{name}_total", {"topic": "usage-events"})
        for name in ("events_consumed", "movements", "duplicates")
    }
    assert counted == {"events_consumed": 552, "movements": 500, "duplicates": 50}


def test_an_adjustment_counts_once_with_and_without_the_store(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, event(1))
    first = [adjustment(1, movement_id=event(1)["event_id"], reason="bad line"), adjustment(2, amount_nanos=-7)]
    stack.publish(ADJUSTMENT_EVENTS, *first, *first, adjustment(1, amount_nanos=1), adjustment(3, kind="gift"))
    stack.rate_everything()
    stack.publish(ADJUSTMENT_EVENTS, *first, first[0] | {"reason": None})
    stack.rate_everything()
    for file in stack.settings.data_dir.glob("seen/*/*"):
        file.unlink()
    stack.publish(ADJUSTMENT_EVENTS, *first, first[0] | {"movement_id": None}, adjustment(4))
    stack.rate_everything()
    adjusted = [line for line in stack.records(CREDIT_MOVEMENTS) if line["source_topic"] == ADJUSTMENT_EVENTS.name]
    amounts = {line["movement_id"]: line["credit_movement_nanos"] for line in adjusted}
    assert len(adjusted) == 3
    assert amounts == {adjustment(number)["event_id"]: nanos for number, nanos in ((1, 10**8), (2, -7), (4, 10**8))}
    assert [(line["corrected_movement_id"], line["reason"]) for line in adjusted if line["reason"] is not None] == [
        (event(1)["event_id"], "bad line")
    ]
    reasons = Counter(header(message, "dlq.reason") for message in stack.read("adjustment-events.dlq"))
    assert reasons == {"conflict": 3, "invalid_event": 1}


def test_a_rate_that_is_published_under_load_is_in_force_for_events_published_3_seconds_later(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    with stack.rating():
        stack.publish(USAGE_EVENTS, event(0))
        eventually(lambda: stack.is_rated())
        stack.publish_priced(RATES, rate(effective_from=1, price_nanos=7))
        published_at, number = time.monotonic(), 1
        while time.monotonic() < published_at + 3:
            stack.publish(USAGE_EVENTS, *(event(number + each) for each in range(100)))
            number += 100
        stack.publish(USAGE_EVENTS, event(number))
        eventually(lambda: stack.is_rated())
    prices = {line["movement_id"]: line["price_nanos"] for line in stack.records(CREDIT_MOVEMENTS)}
    assert len(prices) == number + 1
    assert (prices[event(0)["event_id"]], prices[event(number)["event_id"]]) == (1000, 7)


def test_numbers_are_rated_as_they_were_meant_and_kept_as_they_came_and_what_is_none_is_counted(stack: Stack) -> None:
    sent = [
        "+49151",
        "tel:+49-151;ext=7",
        "sip:+49151@example.com",
        "\u200e+49\u00a0(0)151",
        "+49 151 ext 7",
        "anonymous",
        None,
    ]
    stack.publish_priced(RATES, rate(), rate(destination_prefix="49"))
    stack.publish(USAGE_EVENTS, *(event(number, destination=each) for number, each in enumerate(sent)))
    with stack.rating() as metrics:
        eventually(lambda: stack.is_rated())
    prefixes = {line["destination"]: line["destination_prefix"] for line in stack.records(CREDIT_MOVEMENTS)}
    assert prefixes == {each: "49" if each in sent[:4] else "" for each in sent}
    assert metrics.get_sample_value("credit_destinations_not_numbers_total", {"usage_type": "call"}) == 1


def test_a_movement_lies_in_the_partition_of_its_event_and_tells_where_it_came_from(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *(event(number) for number in range(50)))
    stack.rate_everything()
    sources = {(message.partition(), message.offset()): message for message in stack.read("usage-events")}
    for message in stack.read("credit-movements"):
        line = stack.codec(CREDIT_MOVEMENTS).decode_one(message.value())
        source = sources[line["source_partition"], line["source_offset"]]
        assert stack.codec(USAGE_EVENTS).decode_one(source.value())["event_id"] == line["movement_id"]
        assert (message.partition(), message.key()) == (source.partition(), source.key())


def test_a_dead_letter_keeps_bytes_key_and_headers_and_names_its_position(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    good = stack.codec(USAGE_EVENTS).encode_one(event(1))
    wrong = (account_partition("acct-1", 4) + 1) % 4
    stack.send(USAGE_EVENTS, good + b"!", "acct-1", headers=[("trace", b"7")])
    stack.send(USAGE_EVENTS, None, "acct-1")
    stack.send(USAGE_EVENTS, good, "acct-1", partition=wrong)
    stack.send(USAGE_EVENTS, good, "acct-1")
    stack.flush()
    stack.rate_everything()
    letters = {
        header(message, "dlq.reason") + header(message, "dlq.detail"): message
        for message in stack.read("usage-events.dlq")
    }
    assert sorted(letters) == [
        "undecodable1 bytes after the datum",
        "undecodableno value",
        f"wrong_partitionaccount 'acct-1' does not belong to partition {wrong}",
    ]
    letter = letters["undecodable1 bytes after the datum"]
    assert (letter.key(), letter.value()) == (b"acct-1", good + b"!")
    assert header(letter, "trace") == "7"
    position = [header(letter, f"dlq.source.{name}") for name in ("topic", "partition", "offset")]
    assert position == ["usage-events", str(account_partition("acct-1", 4)), "0"]
    assert len(stack.records(CREDIT_MOVEMENTS)) == 1


def test_a_rate_or_plan_published_while_it_runs_is_in_force_within_three_seconds(stack: Stack) -> None:
    stack.publish_priced(RATES, rate(), rate(rate_card_id="gold", price_nanos=5))
    with stack.rating():
        stack.publish(USAGE_EVENTS, event(0))
        eventually(lambda: stack.is_rated())
        stack.publish_priced(ACCOUNT_PLANS, {"account_id": "acct-0", "rate_card_id": "gold", "effective_from": 0})
        stack.publish_priced(RATES, rate(usage_type="fax", price_nanos=7))
        time.sleep(3)
        stack.publish(USAGE_EVENTS, event(7), event(14, usage_type="fax", account_id="acct-1"))
        eventually(lambda: stack.is_rated())
    prices = {line["movement_id"][-2:]: line["price_nanos"] for line in stack.records(CREDIT_MOVEMENTS)}
    assert prices == {"00": 1000, "07": 5, "0e": 7}


def test_duplicates_are_known_after_a_restart_with_and_without_the_store(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    events = [event(number) for number in range(100)]
    stack.publish(USAGE_EVENTS, *events)
    stack.rate_everything()
    stack.publish(USAGE_EVENTS, *events)
    stack.rate_everything()
    for file in stack.settings.data_dir.glob("seen/*/*"):
        file.unlink()
    stack.publish(USAGE_EVENTS, *events, event(1, quantity=5))
    stack.rate_everything()
    assert len(stack.records(CREDIT_MOVEMENTS)) == 100
    assert [header(message, "dlq.reason") for message in stack.read("usage-events.dlq")] == ["conflict"]


def test_a_bad_rate_changes_nothing_and_is_dead_lettered_once(stack: Stack) -> None:
    stack.publish_priced(
        RATES,
        rate(),
        rate(price_nanos=2),
        rate(usage_type="sms", currency="USD"),
        rate(increment=0, usage_type="x"),
    )
    stack.publish_priced(ACCOUNT_PLANS, {"account_id": "", "rate_card_id": "gold", "effective_from": 0})
    for number in range(3):
        stack.publish(USAGE_EVENTS, event(number))
        stack.rate_everything()
    assert {line["price_nanos"] for line in stack.records(CREDIT_MOVEMENTS)} == {1000}
    details = [header(message, "dlq.detail") for message in stack.read("rates.dlq")]
    assert len(details) == 3
    assert "a new price needs a new effective_from" in details[0]
    assert details[1].startswith("currency: USD, but card 'default' is in EUR")
    assert details[2].startswith("increment: must be from 1")
    assert [header(message, "dlq.detail") for message in stack.read("account-plans.dlq")] == [
        "account_id: must be 1 to 128 characters"
    ]


def test_a_plan_that_would_change_an_account_s_currency_is_dead_lettered_once_and_the_one_before_stands(
    stack: Stack,
) -> None:
    stack.publish_priced(RATES, rate(), rate(rate_card_id="dollar", currency="USD"))
    for card, effective_from in (("dollar", 0), ("default", DAY), ("", 0), ("dollar", 2 * DAY)):
        plan = {"account_id": "acct-0", "rate_card_id": card, "effective_from": effective_from}
        stack.publish_priced(ACCOUNT_PLANS, plan)
    for number in range(0, 21, 7):
        stack.publish(USAGE_EVENTS, event(number))
        stack.rate_everything()
    assert {line["currency"] for line in stack.records(CREDIT_MOVEMENTS)} == {"USD"}
    letters = stack.read("account-plans.dlq")
    assert [header(message, "dlq.source.offset") for message in letters] == ["1", "2"]
    assert header(letters[0], "dlq.detail") == (
        "rate_card_id: card 'default' is in EUR, but account 'acct-0' is on cards in USD: an account has one balance"
    )


def test_two_raters_share_the_partitions_and_each_event_is_rated_once(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    other = Stack(
        stack.settings.model_copy(update={"rater_id": "other", "data_dir": stack.settings.data_dir / "other"})
    )
    with stack.rating():
        stack.publish(USAGE_EVENTS, *(event(number) for number in range(300)))
        with other.rating():
            stack.publish(USAGE_EVENTS, *(event(number) for number in range(200, 600)))
            time.sleep(4)
            stack.publish(USAGE_EVENTS, *(event(number) for number in range(500, 900)))
            eventually(lambda: stack.is_rated())
        stack.publish(USAGE_EVENTS, *(event(number) for number in range(900)))
        eventually(lambda: stack.is_rated())
    assert len(stack.records(CREDIT_MOVEMENTS)) == 900


def test_a_topic_that_lags_behind_the_other_finds_its_duplicates_known(stack: Stack) -> None:
    three_days_ago = time.time_ns() // 1000 - 3 * DAY
    late = event(5, account_id="acct-1", occurred_at=three_days_ago - 34 * DAY)
    stack.publish_priced(RATES, rate())
    stack.publish(TOP_UP_EVENTS, top_up(1, account_id="acct-1"))
    stack.rate_everything()
    for _ in range(2):
        value = stack.codec(USAGE_EVENTS).encode_one(late)
        stack.send(USAGE_EVENTS, value, "acct-1", timestamp=three_days_ago // 1000)
        stack.flush()
        stack.rate_everything()
    ids = [line["movement_id"] for line in stack.records(CREDIT_MOVEMENTS)]
    # Where the broker stamps records itself, this one is too old.
    assert ids.count(late["event_id"]) <= 1
