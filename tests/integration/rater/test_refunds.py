"""Refunds that are limited: the rater asks the real ledger what a movement took, and waits until the sink has stored it."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import clickhouse_connect
import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from credit_movements.embedded.ports import free_port
from credit_movements.settings import Settings, SettingsError
from credit_movements.setup.provision import make_topics
from credit_movements.workers.rater import make_rater
from credit_movements.workers.refunds import refund_ledger
from schemas.dead_letters import Reason
from schemas.topics import ADJUSTMENT_EVENTS, CREDIT_MOVEMENTS, RATES, USAGE_EVENTS, dead_letter_topic
from sinks.read.refunds import taken_and_given
from sinks.read.slice import MovementsUnavailableError
from sinks.write.migrations import apply_migrations
from tests.integration.audit.audited import Audited
from tests.integration.rater.raters import rater
from tests.integration.records import adjustment, event, header, rate
from tests.integration.stack import Stack, eventually
from tests.integration.whatif.test_ledger import call, correction_of, put

CHARGED = 120_000
ASKED = ["account_id", "corrected_movement_id", "event_id"]


@pytest.fixture
def limited(settings: Settings, database: str) -> Iterator[Audited]:
    """Nothing is rated or stored yet."""
    apply_migrations(database)
    update: dict[str, Any] = {"clickhouse_dsn": SecretStr(database), "sink_http_port": 0, "refund_limit": "movement"}
    settings = settings.model_copy(update=update)
    make_topics(settings)
    with Stack(settings) as stack, clickhouse_connect.get_client(dsn=database, autogenerate_session_id=False) as client:
        stack.publish_priced(RATES, rate())
        yield Audited(stack, client)


def refund(number: int, amount: int, **fields: Any) -> dict[str, Any]:
    named = {"account_id": "acct-1", "movement_id": event(1)["event_id"], "amount_nanos": amount}
    return adjustment(number, **named | fields)


def booked(stack: Stack) -> list[int]:
    lines = [line for line in stack.records(CREDIT_MOVEMENTS) if line["source_topic"] == ADJUSTMENT_EVENTS.name]
    return [line["credit_movement_nanos"] for line in lines]


def refused(stack: Stack) -> list[str]:
    return [header(letter, "dlq.reason") for letter in stack.read(dead_letter_topic(ADJUSTMENT_EVENTS).name)]


def test_a_refund_waits_until_the_ledger_has_what_was_rated_and_no_more_is_given_back_than_was_taken(
    limited: Audited,
) -> None:
    stack = limited.stack
    with ExitStack() as until_the_end:
        process = until_the_end.enter_context(rater(limited.settings, "rater", limited.settings.data_dir))
        stack.publish(USAGE_EVENTS, event(1))
        eventually(lambda: len(stack.read(CREDIT_MOVEMENTS.name)) == 1)
        # The charge is in the log, and nobody has stored it.
        stack.publish(ADJUSTMENT_EVENTS, refund(1, CHARGED - 1))
        process.wait_for("waiting for the ledger in ClickHouse")
        assert (booked(stack), refused(stack)) == ([], [])
        with limited.sinking():
            eventually(lambda: process.exit_status is not None or booked(stack) == [CHARGED - 1])
            assert process.exit_status is None, process.log()
            # The refund before is in the log alone, or just stored, or being committed.
            stack.publish(ADJUSTMENT_EVENTS, refund(2, 2), refund(3, 1), refund(4, 1), refund(1, CHARGED - 1))
            stack.publish(
                ADJUSTMENT_EVENTS, refund(5, 1, movement_id=str(uuid.UUID(int=5))), refund(6, 9, movement_id=None)
            )
            eventually(lambda: len(booked(stack)) == 3 and len(refused(stack)) == 3)
            eventually(lambda: limited.sink_lag() == 0)
    assert sorted(booked(stack)) == [1, 9, CHARGED - 1]
    assert refused(stack) == [Reason.REFUND_TOO_LARGE] * 3
    assert limited.audit().holds


@pytest.mark.parametrize("kafka", ["tansu"], indirect=True)
def test_a_rater_that_limits_refunds_needs_the_ledger(settings: Settings) -> None:
    make_topics(settings)
    limits = settings.model_copy(update={"refund_limit": "movement"})
    with pytest.raises(SettingsError, match="CREDIT_CLICKHOUSE_DSN is not set"):
        make_rater(limits, CollectorRegistry())


@pytest.mark.parametrize("kafka", ["tansu"], indirect=True)
def test_a_rater_begins_while_clickhouse_is_away_and_only_a_refund_waits(settings: Settings) -> None:
    make_topics(settings)
    away = SecretStr(f"http://127.0.0.1:{free_port()}/default")
    ledger = refund_ledger(settings.model_copy(update={"refund_limit": "movement", "clickhouse_dsn": away}))
    asked = pl.DataFrame([("acct-1", str(uuid.uuid4()), "x")], schema=ASKED, orient="row")
    with pytest.raises(MovementsUnavailableError):
        ledger.taken_before(asked, {0: 0}, threading.Event())


def test_the_ledger_says_what_was_taken_and_what_was_given_back(tables: str) -> None:
    mine, another, paid, old = call(1), call(2), call(3, credit_movement_nanos=10**9), call(4)
    gave = [correction_of(mine, nanos, "refund") for nanos in (1, 2, -4)]
    large = [correction_of(another, 10**18 - 1) for _ in range(20)]
    own = correction_of(old, 8)
    with clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False) as client:
        put(client, mine, another, paid, old, *gave, *large, own, correction_of(mine, 16) | {"account_id": "other"})
        # As after a crash.
        put(client, mine, *gave)
        asked = [(each["account_id"], each["movement_id"], own["movement_id"]) for each in (mine, another, paid, old)]
        asked += [
            ("other", mine["movement_id"], "x"),
            ("other", paid["movement_id"], "y"),
            ("acme", str(uuid.uuid4()), "z"),
        ]
        # More than fit into one question.
        asked += [("acme", str(uuid.uuid4()), str(number)) for number in range(1000)]
        table = pl.DataFrame(asked, schema=ASKED, orient="row")
        began_at = time.monotonic()
        found = taken_and_given(client, table)
        print(f"{len(asked)} movements in {time.monotonic() - began_at:.2f} s")
    assert set(found.rows()) == {
        ("acme", mine["movement_id"], mine["credit_movement_nanos"], -1),
        ("acme", another["movement_id"], another["credit_movement_nanos"], 4 * 10**18),
        ("acme", paid["movement_id"], 10**9, 0),
        # What is asked for is an adjustment that the ledger has of an earlier log.
        ("acme", old["movement_id"], old["credit_movement_nanos"], 0),
        ("other", mine["movement_id"], None, 16),
    }
