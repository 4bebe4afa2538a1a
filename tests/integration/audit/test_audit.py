"""The audit on real parts: it holds while everything works, and finds whatever was spoiled by hand."""

import itertools
import json
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from pydantic import SecretStr

from credit_movements.audit.watch import watch
from credit_movements.settings import Settings, required, variable
from credit_movements.setup.provision import make_topics
from schemas.dead_letters import Reason, dead_letter_headers
from schemas.partitioner import account_partition
from schemas.topics import CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS
from sinks.write.migrations import apply_migrations
from streams.events.table import SOURCES
from tests.acceptance.command import run_forked as run
from tests.conftest import free_port
from tests.integration.audit.audited import Audited
from tests.integration.records import event, rate, top_up
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import BROKERS

ACCOUNT = "acct-1"
PARTITION = account_partition(ACCOUNT, 4)

# What is spoiled by hand is found the same way on every broker.
one_broker = pytest.mark.parametrize("kafka", BROKERS[:1], indirect=True)


@pytest.fixture
def audited(settings: Settings, database: str) -> Iterator[Audited]:
    apply_migrations(database)
    settings = settings.model_copy(update={"clickhouse_dsn": SecretStr(database), "sink_http_port": 0})
    make_topics(settings)
    with Stack(settings) as stack, clickhouse_connect.get_client(dsn=database, autogenerate_session_id=False) as client:
        stack.publish_priced(RATES, rate())
        yield Audited(stack, client)


@pytest.fixture
def worked(audited: Audited) -> Audited:
    """Fifty events, duplicates and top-ups, rated and stored."""
    stack = audited.stack
    events = [event(number) for number in range(50)]
    stack.publish(USAGE_EVENTS, *events, *events[:10], event(0, quantity=7), event(900, usage_type="fax"))
    stack.publish(TOP_UP_EVENTS, *(top_up(number) for number in range(5)), top_up(3), top_up(99, currency="USD"))
    stack.send(USAGE_EVENTS, b"garbage", ACCOUNT)
    stack.send(USAGE_EVENTS, None, ACCOUNT)
    stack.flush()
    audited.work()
    return audited


def test_what_was_rated_and_stored_adds_up_per_partition(worked: Audited) -> None:
    audit = worked.audit()
    assert audit.holds
    assert {each.difference for each in audit.sources} == {each.difference for each in audit.logs} == {0}
    usage, paid = (
        [each for each in audit.sources if each.topic == topic.name] for topic in (USAGE_EVENTS, TOP_UP_EVENTS)
    )
    added = [
        [
            sum(getattr(each, name) for each in counts)
            for name in ("consumed", "movements", "duplicates", "dead_letters")
        ]
        for counts in (usage, paid)
    ]
    assert added == [[64, 50, 10, 4], [7, 5, 1, 1]]
    assert sum(each.rows for each in audit.logs) == 55
    assert sum(each.row_sums.get("EUR", 0) for each in audit.logs) == 5 * 10**10 - 50 * 120 * 1000
    for each in audit.logs:
        assert (each.log_sums, each.log_checksum) == (each.row_sums, each.row_checksum)


@one_broker
def test_a_second_audit_proves_what_is_new_and_finds_what_was_spoiled_since(worked: Audited) -> None:
    first = worked.audit()
    assert (first.proved_before, first.consumed) == (0, 71)
    worked.stack.publish(USAGE_EVENTS, *(event(number) for number in range(45, 60)))
    worked.work()
    second = worked.audit()
    assert second.holds
    assert (second.proved_before, second.consumed) == (71, 86)
    assert second.sampled
    assert second.full_at == first.full_at
    for each in second.logs:
        assert (each.movements, each.log_sums, each.log_checksum) == (each.rows, each.row_sums, each.row_checksum)
    worked.delete(event(0)["event_id"])
    third = worked.audit()
    assert {each.kind.value: each.count for each in third.differences} == {"missing_row": 1}
    # The counts show it each time, and the sample where it comes upon the row first.
    assert set(third.discarded.values()) <= {
        "ClickHouse has other rows, or sums, of it than were proved",
        "offsets 0 to 28 of the log are not what was proved",
    }
    assert len(third.discarded) == 1
    assert third.full_at is None


@pytest.mark.thorough
def test_it_holds_at_every_moment_of_a_running_system(audited: Audited) -> None:
    stack, stop = audited.stack, threading.Event()
    audits = []

    def publish() -> None:
        for start in itertools.count(0, 150):
            repeated = [event(number) for number in range(start, start + 200)]
            stack.publish(USAGE_EVENTS, *repeated, event(start, quantity=5), event(start + 10**6, usage_type="fax"))
            if stop.wait(0.05):
                return

    publisher = threading.Thread(target=publish)
    with stack.rating(), audited.sinking():
        publisher.start()
        try:
            eventually(lambda: audited.audit().sources[0].consumed > 0)
            audits = [audited.audit() for _ in range(4)]
        finally:
            stop.set()
            publisher.join()
        eventually(lambda: stack.is_rated() and audited.sink_lag() == 0)
    audits.append(audited.audit())
    assert [difference for audit in audits for difference in audit.differences] == []
    # It was at work while it was audited, not before or after.
    consumed = [sum(each.consumed for each in audit.sources) for audit in audits]
    assert consumed == sorted(set(consumed))


def test_an_event_that_was_skipped_is_lost_unless_a_movement_says_the_same(worked: Audited) -> None:
    stack = worked.stack
    stack.publish(USAGE_EVENTS, event(1000, account_id=ACCOUNT), event(1, quantity=3), event(2))
    stack.send(USAGE_EVENTS, b"more garbage", ACCOUNT)
    stack.flush()
    worked.skip(USAGE_EVENTS)
    # What no rater has read yet is nothing to account for.
    stack.publish(USAGE_EVENTS, event(1001))
    audit = worked.audit()
    found = {each.kind.value: each for each in audit.differences}
    assert {kind: difference.count for kind, difference in found.items()} == {"lost": 2, "false_duplicate": 1}
    assert {each.id for each in found["lost"].examples} == {"", event(1000)["event_id"]}
    assert all(each.position.startswith(f"usage-events/{PARTITION}@") for each in found["lost"].examples)
    assert [each.id for each in found["false_duplicate"].examples] == [event(1)["event_id"]]
    assert sum(each.difference for each in audit.sources) == 3


def test_a_movement_written_twice_is_doubled_and_one_of_its_rows_missing(worked: Audited) -> None:
    charge = worked.charge()
    worked.append(**charge)
    worked.append(**charge | {"movement_id": str(uuid.uuid4())})
    with worked.sinking():
        eventually(lambda: worked.sink_lag() == 0)
    audit = worked.audit()
    assert {each.kind.value: each.count for each in audit.differences} == {"doubled": 2, "missing_row": 1}
    assert charge["movement_id"] in {each.id for each in audit.differences[0].examples}
    assert sum(each.difference for each in audit.sources) == -2


@one_broker
def test_a_movement_that_is_not_what_its_event_and_rate_give_is_found(audited: Audited) -> None:
    wrong: dict[str, list[dict[str, object]]] = {
        "wrong_amount": [
            {"units_charged": 119, "credit_movement_nanos": -119_000},
            {"credit_movement_nanos": -119_000},
            {"price_nanos": 999, "price_units": 1, "credit_movement_nanos": -120 * 999},
            {"currency": "USD"},
            {"unit": "minutes"},
        ],
        "unknown_rate": [{"rate_card_id": "gold"}, {"rate_effective_from": 1}, {"destination_prefix": None}],
        "not_its_event": [{"interaction_id": "call-x"}, {"quantity": 62}],
        "false_duplicate": [{"source_offset": 10_000}],
    }
    audited.stack.publish(USAGE_EVENTS, event(0, account_id=ACCOUNT))
    audited.work()
    ((_, movement),) = audited.movements()
    ids: dict[str, set[str]] = {kind: set() for kind in wrong}
    cases = [(kind, fields) for kind, changes in wrong.items() for fields in changes]
    for number, (kind, fields) in enumerate(cases, 1):
        made = event(number, account_id=ACCOUNT)
        audited.stack.publish(USAGE_EVENTS, made)
        right = {"movement_id": made["event_id"], "interaction_id": made["interaction_id"], "source_offset": number}
        audited.append(**movement | right | fields)
        ids[kind].add(made["event_id"])
    audited.skip(USAGE_EVENTS)
    with audited.sinking():
        eventually(lambda: audited.sink_lag() == 0)
    audit = audited.audit()
    assert {found.kind.value: {each.id for each in found.examples} for found in audit.differences} == ids


@one_broker
def test_what_names_no_event_or_has_other_bytes_is_found(worked: Audited) -> None:
    charge = worked.charge()
    position = charge["source_topic"], charge["source_partition"], charge["source_offset"]
    elsewhere = {"movement_id": str(uuid.uuid4()), "source_topic": "rates"}
    worked.append(**charge | elsewhere)
    worked.send("usage-events.dlq", PARTITION, b"x", dead_letter_headers(Reason.NO_RATE, "", "usage-events", 99, 0))
    worked.send("usage-events.dlq", PARTITION, b"x")
    worked.send("usage-events.dlq", position[1], b"x", dead_letter_headers(Reason.NO_RATE, "", *position))
    assert worked.found() == {"no_source": 3, "doubled": 1, "altered_dead_letter": 1}


@one_broker
def test_a_row_that_was_changed_or_is_gone_or_too_many_is_found_and_described(worked: Audited) -> None:
    lines = [(message, movement) for message, movement in worked.movements() if movement["unit"] == "seconds"]
    (first, changed), (_, gone), (third, again), (fourth, copied) = lines[:4]
    worked.insert(third, **again)
    assert worked.audit().holds, "a row that was written again counts once"
    worked.insert(first, **changed | {"credit_movement_nanos": -1, "user_id": "somebody"})
    worked.delete(gone["movement_id"])
    worked.insert(third, log_offset=10_000, **again | {"movement_id": str(uuid.uuid4())})
    worked.insert(fourth, **copied | {"movement_id": "ffffffff-ffff-4fff-8fff-ffffffffffff"})
    audit = worked.audit()
    found = {each.kind.value: each for each in audit.differences}
    # Of two rows with one position at least one is not what the log says. Either may be looked at first.
    assert found["changed_row"].count in {1, 2}
    assert (found["missing_row"].count, found["missing_row"].examples[0].id) == (1, gone["movement_id"])
    assert (found["surplus_row"].count, len(found)) == (2, 3)
    row = next(each for each in found["changed_row"].examples if each.id == changed["movement_id"])
    assert row.detail == "credit_movement_nanos -120000 is -1; user_id None is 'somebody'"
    (log,) = (each for each in audit.logs if each.partition == first.partition())
    assert log.log_checksum != log.row_checksum
    assert log.log_sums != log.row_sums


@pytest.mark.thorough
@one_broker
def test_the_command_prints_what_it_found_and_ends_with_status_1_on_a_difference(worked: Audited) -> None:
    settings = worked.settings
    assert settings.clickhouse_dsn is not None
    environment: dict[str, Any] = {
        variable("kafka_bootstrap_servers"): str(settings.kafka_bootstrap_servers),
        variable("schema_registry_url"): required(settings, "schema_registry_url"),
        variable("clickhouse_dsn"): settings.clickhouse_dsn.get_secret_value(),
    }
    good = run("audit", "--partitions", **environment)
    assert (good.returncode, good.stderr) == (0, "")
    assert "Every event is accounted for exactly once." in good.stdout
    worked.stack.publish(USAGE_EVENTS, event(1000))
    worked.skip(USAGE_EVENTS)
    bad = run("audit", "--json", **environment)
    assert bad.returncode == 1
    report = json.loads(bad.stdout)
    assert (report["holds"], [each["kind"] for each in report["differences"]]) == (False, ["lost"])
    shown = run("audit", **environment)
    assert shown.returncode == 1
    assert shown.stderr.startswith("lost (1): ")
    assert event(1000)["event_id"] in shown.stderr


@one_broker
def test_a_live_audit_carries_the_difference_as_a_metric(worked: Audited) -> None:
    port, stop = free_port(), threading.Event()
    thread = threading.Thread(target=watch, args=(worked.settings, 0.1, port, stop))

    def metric(name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    began = time.time()
    thread.start()
    try:
        eventually(is_ready)
        assert metric("credit_audit_difference") == 0
        assert metric("credit_audit_last_run_timestamp_seconds") > began
        worked.stack.publish(USAGE_EVENTS, event(1000))
        worked.skip(USAGE_EVENTS)
        eventually(lambda: metric('credit_audit_difference{kind="lost"}') == 1)
        assert metric("credit_audit_difference") == 1
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


@one_broker
def test_an_empty_system_holds(audited: Audited) -> None:
    audit = audited.audit()
    assert audit.holds
    assert {each.topic for each in audit.sources} == {topic.name for topic in SOURCES}
    assert len(audit.logs) == CREDIT_MOVEMENTS.partitions(4)
