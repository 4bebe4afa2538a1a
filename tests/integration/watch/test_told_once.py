"""Watches on a real broker: restarted, killed, paused, two at a time; each alert is told once."""

import shutil
import signal
from pathlib import Path

import pytest

from credit_movements.settings import Settings
from schemas.topics import ALERT_SETTINGS, CREDIT_MOVEMENTS
from tests.integration.records import YESTERDAY, header
from tests.integration.stack import Stack, eventually
from tests.integration.watch.watches import each_once, falls, set_back, told, wait_until_watched, watch
from tests.kafka.brokers import BROKERS, TANSU

# Tansu shows the records of aborted transactions, and ends no transaction of a producer that is gone.
on_kafka_itself = pytest.mark.parametrize("kafka", [name for name in BROKERS if name != TANSU], indirect=True)
ALL = "watching partitions [0, 1, 2, 3]"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """What a watch left open is aborted soon."""
    return settings.model_copy(update={"kafka_transaction_timeout_ms": 4000})


@pytest.mark.parametrize("loses", ["nothing", "its files", "its offsets", "both"])
def test_a_watch_that_is_started_anew_tells_what_is_new_and_nothing_else(
    stack: Stack, settings: Settings, tmp_path: Path, loses: str
) -> None:
    stack.publish(CREDIT_MOVEMENTS, *falls(*range(20)))
    with watch(settings, "watch", tmp_path):
        wait_until_watched(stack)
    if loses in ("its files", "both"):
        shutil.rmtree(settings.data_dir / "watch")
    if loses in ("its offsets", "both"):
        set_back(settings)
    # The first ones fall again: they were not well above the threshold in between.
    again = [each | {"movement_id": f"3{each['movement_id'][1:]}"} for each in falls(*range(5))[1::2]]
    stack.publish(CREDIT_MOVEMENTS, *again, *falls(*range(20, 30)))
    with watch(settings, "watch", tmp_path):
        wait_until_watched(stack)
    assert told(stack) == each_once(*range(30))


@on_kafka_itself
@pytest.mark.parametrize(
    "step", ["begin_transaction", "produce_batch", "send_offsets_to_transaction", "commit_transaction"]
)
def test_a_watch_that_was_killed_leaves_nothing_half_told(
    stack: Stack, settings: Settings, tmp_path: Path, step: str
) -> None:
    stack.publish(CREDIT_MOVEMENTS, *falls(*range(20)))
    with watch(settings, "killed", tmp_path, (step, "SIGKILL")) as killed:
        killed.wait_until_killed()
    stack.publish(CREDIT_MOVEMENTS, *falls(*range(20, 30)))
    with watch(settings, "next", tmp_path):
        wait_until_watched(stack)
    assert told(stack) == each_once(*range(30))


@on_kafka_itself
@pytest.mark.parametrize("step", ["produce_batch", "send_offsets_to_transaction"])
def test_a_watch_that_was_paused_until_another_took_over_tells_nothing_any_more(
    stack: Stack, settings: Settings, tmp_path: Path, step: str
) -> None:
    stack.publish(CREDIT_MOVEMENTS, *falls(*range(20)))
    with watch(settings, "paused", tmp_path, (step, "SIGSTOP")) as paused:
        paused.wait_until_stopped()
        with watch(settings, "other", tmp_path) as other:
            other.wait_for(ALL)
            wait_until_watched(stack)
            paused.signal(signal.SIGCONT)
            stack.publish(CREDIT_MOVEMENTS, *falls(*range(20, 30)))
            # Fenced, or a member of the group again.
            eventually(lambda: paused.exit_status is not None or paused.has_said("watching partitions", times=2))
            wait_until_watched(stack)
    assert told(stack) == each_once(*range(30))


@on_kafka_itself
def test_watches_come_and_go_and_each_alert_is_told_once(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    wrong = {"account_id": "acct-1", "low_balance_nanos": 0, "empty_soon_hours": 500, "unusual_nanos": None}
    stack.publish_priced(ALERT_SETTINGS, wrong | {"effective_from": YESTERDAY})
    with watch(settings, "first", tmp_path) as first:
        first.wait_for(ALL)
        stack.publish(CREDIT_MOVEMENTS, *falls(*range(100)))
        with watch(settings, "second", tmp_path) as second:
            second.wait_for("watching partitions")
            stack.publish(CREDIT_MOVEMENTS, *falls(*range(100, 200)))
            wait_until_watched(stack)
            second.signal(signal.SIGKILL)
            second.wait_until_killed()
        stack.publish(CREDIT_MOVEMENTS, *falls(*range(200, 300)))
        wait_until_watched(stack)
    assert told(stack) == each_once(*range(300))
    # All watches have read it.
    assert [header(letter, "dlq.reason") for letter in stack.read("alert-settings.dlq")] == ["invalid_event"]
