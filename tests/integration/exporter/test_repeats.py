"""However often an account asks while its export waits or runs, there is one file and one notification: also where requests sat
in the queue, the exporter was killed, or several of them share the work."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from exporter.storage.keys import ExportKeys
from schemas.partitioner import account_partition
from tests.conftest import free_port
from tests.integration.exporter.exporter_stack import PARTITIONS, Stack, exporter_stack, now_micros, wait_for


@pytest.fixture(scope="module")
def stack(clickhouse: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with exporter_stack(clickhouse, registry, tmp_path_factory.mktemp("exporter_repeats")) as stack:
        yield stack


@pytest.fixture
def account() -> str:
    return f"account-{uuid.uuid4()}"


def files_of(stack: Stack, account: str) -> list[Path]:
    folder = (stack.folder / "storage" / ExportKeys.of(account, "any").file).parent
    return sorted(folder.iterdir()) if folder.exists() else []


def assert_one_export(stack: Stack, account: str, request: dict[str, Any], rows: int) -> None:
    """A request of another account, behind all others of the partition, has been answered: nothing is still to come."""
    last = next(
        each
        for each in (f"last {uuid.uuid4()}" for _ in range(100))
        if account_partition(each, PARTITIONS) == account_partition(account, PARTITIONS)
    )
    stack.wait_for_notification(stack.ask(last), 40)
    told = stack.notified(account)
    assert {each["export_id"] for each in told} == {request["request_id"]}
    # A crash can repeat a notification, word for word.
    assert all(each == told[0] for each in told)
    assert (told[0]["status"], told[0]["row_count"]) == ("completed", rows)
    # All that there is of files is the one export's; what else lies beside it has the same name.
    assert {each.name.partition(".")[0] for each in files_of(stack, account)} == {
        ExportKeys.of(account, request["request_id"]).export_hash
    }


def test_requests_that_sat_in_the_queue_make_one_export(stack: Stack, account: str) -> None:
    stack.movements(account, [{}, {}])
    first, *_ = [stack.ask(account) for _ in range(5)]
    with stack.exporter():
        stack.wait_for_notification(first)
        assert_one_export(stack, account, first, rows=2)
        assert stack.metric("credit_export_repeats_total") == 4


@pytest.mark.thorough
def test_requests_before_and_after_a_kill_make_one_export(stack: Stack, account: str) -> None:
    partition = account_partition(account, PARTITIONS)
    stack.movements(account, [{}, {}])
    with stack.exporter() as process:
        stack.append_to_log(partition, 1)
        first = stack.ask(account)
        stack.ask(account)
        wait_for((stack.folder / "storage" / ExportKeys.of(account, first["request_id"]).request).exists, 15)
        process.kill()
        process.wait()
    stack.ask(account)
    with stack.exporter() as process:
        stack.ask(account)
        process.kill()
        process.wait()
    with stack.exporter():
        stack.ask(account)
        stack.commit_sink(partition)
        stack.wait_for_notification(first)
        assert_one_export(stack, account, first, rows=2)


@pytest.mark.thorough
def test_requests_while_workers_come_and_go_make_one_export(stack: Stack, account: str) -> None:
    partition = account_partition(account, PARTITIONS)
    stack.movements(account, [{}, {}, {}])
    stack.append_to_log(partition, 1)
    with ExitStack() as others:
        with stack.exporter():
            first = stack.ask(account)
            wait_for((stack.folder / "storage" / ExportKeys.of(account, first["request_id"]).request).exists, 15)
            for number in (1, 2):
                process = stack.start(f"worker-{number}", port=free_port())
                others.callback(process.wait)
                others.callback(process.kill)
                log = stack.folder / f"worker-{number}.log"
                wait_for(lambda log=log: "reading" in log.read_text(), 30)  # type: ignore[misc]
                stack.ask(account)
        # The one that began it is killed: another goes on with what was accepted.
        stack.ask(account)
        stack.commit_sink(partition)
        stack.wait_for_notification(first, 40)
        assert_one_export(stack, account, first, rows=3)


def test_an_account_without_movements_gets_one_file_with_the_header_however_often_it_asks(
    stack: Stack, account: str
) -> None:
    first, *_ = [stack.ask(account) for _ in range(3)]
    with stack.exporter():
        notification = stack.wait_for_notification(first)
        assert_one_export(stack, account, first, rows=0)
        assert stack.download(notification)[2].count(b"\r\n") == 1


@pytest.mark.parametrize("clock_minutes", [-20, 20])
def test_no_clock_of_a_dashboard_decides_what_is_a_repeat(stack: Stack, account: str, clock_minutes: int) -> None:
    partition = account_partition(account, PARTITIONS)
    stack.movements(account, [{"occurred_at": now_micros() - 7_200_000_000}])
    stack.append_to_log(partition, 1)
    with stack.exporter():
        first = stack.ask(account, clock_minutes=clock_minutes)
        stack.ask(account, clock_minutes=clock_minutes)
        stack.commit_sink(partition)
        stack.wait_for_notification(first)
        assert_one_export(stack, account, first, rows=1)
        again = stack.ask(account, clock_minutes=clock_minutes)
        assert stack.wait_for_notification(again)["status"] == "completed"
        assert {each["export_id"] for each in stack.notified(account)} == {first["request_id"], again["request_id"]}


def test_a_refusal_is_the_same_when_it_is_read_again_and_does_not_hold_up_the_account(
    stack: Stack, account: str
) -> None:
    long_ago = stack.ask(account, requested_at=1_700_000_000_000_000)
    with stack.exporter() as process:
        refusal = stack.wait_for_notification(long_ago)
        process.kill()
        process.wait()
    good = stack.ask(account)
    with stack.exporter():
        assert stack.wait_for_notification(good)["status"] == "completed"
        again = stack.ask(account, request_id=long_ago["request_id"], requested_at=1_700_000_000_000_000)
        wait_for(lambda: stack.metric('credit_export_dead_letters_total{reason="invalid_event"}') >= 1, 30)
        wait_for(lambda: len([each for each in stack.notified(account) if each["status"] == "failed"]) >= 2, 30)
        refusals = [each for each in stack.notified(account) if each["export_id"] == again["request_id"]]
        assert {each["notification_id"] for each in refusals} == {refusal["notification_id"]}
        assert (refusal["status"], refusal["error_code"]) == ("failed", "invalid_request")
