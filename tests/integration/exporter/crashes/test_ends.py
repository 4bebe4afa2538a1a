"""Exporters that end, die or sleep in the middle of their work, and those that take it over."""

import itertools
import signal
import socket
import time
import uuid

import pytest

from exporter.storage.keys import ExportKeys
from schemas.partitioner import account_partition
from tests.conftest import free_port
from tests.integration.exporter.crashes.holding import accepted, begin_and_hold, killed_in_the_end, let_go, log_of
from tests.integration.exporter.exporter_stack import PARTITIONS, Stack, target_of, wait_for


def test_an_export_that_was_killed_in_the_middle_is_finished_by_the_next_start(stack: Stack, account: str) -> None:
    with stack.exporter() as process:
        request = begin_and_hold(stack, account)
        record = accepted(stack, request).read_bytes()
        process.kill()
        process.wait()
    stack.movements(account, [{}, {}, {}])
    with stack.exporter():
        let_go(stack, account)
        notification = stack.wait_for_notification(request)
        assert accepted(stack, request).read_bytes() == record
        assert (notification["status"], notification["row_count"]) == ("completed", 2)
        assert len(stack.download(notification)[2].splitlines()) == 3
        assert stack.notified(account) == [notification]


def test_sigterm_ends_it_within_seconds_and_leaves_the_rest_to_the_next_start(stack: Stack, account: str) -> None:
    with stack.exporter() as process:
        request = begin_and_hold(stack, account)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 8
    with stack.exporter():
        let_go(stack, account)
        assert stack.wait_for_notification(request)["row_count"] == 2


def test_a_download_that_dawdles_does_not_hold_up_the_end(stack: Stack, account: str) -> None:
    with stack.exporter() as process:
        stack.movements(account, [{"interaction_id": "x" * 1_000_000}] * 40)
        target = target_of(stack.wait_for_notification(stack.ask(account)))
        with socket.create_connection(("127.0.0.1", stack.port)) as reader:
            reader.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert reader.recv(1000).startswith(b"HTTP/1.1 200 ")
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0


def test_what_was_finished_is_not_told_again_by_the_next_start(stack: Stack, account: str) -> None:
    with stack.exporter() as process:
        notification = stack.wait_for_notification(stack.ask(account))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with stack.exporter():
        other = stack.ask(account + " later")
        stack.wait_for_notification(other)
        assert stack.notified(account) == [notification]


def test_a_killed_worker_may_repeat_a_notification_but_never_change_it(stack: Stack, account: str) -> None:
    with stack.exporter() as process:
        notification = stack.wait_for_notification(stack.ask(account))
        process.kill()
        process.wait()
    with stack.exporter():
        stack.wait_for_notification(stack.ask(account + " later"))
        notified = stack.notified(account)
    assert notified in ([notification], [notification, notification])


def test_a_worker_that_slept_through_its_successors_work_adds_nothing(stack: Stack, account: str) -> None:
    with killed_in_the_end(stack.start("sleeper", port=free_port())) as sleeper:
        wait_for(lambda: "at work" in log_of(stack, "sleeper"), 30)
        request = begin_and_hold(stack, account)
        sleeper.send_signal(signal.SIGSTOP)
        with stack.exporter():
            let_go(stack, account)
            notification = stack.wait_for_notification(request, 30)
            assert notification["row_count"] == 2
            sleeper.send_signal(signal.SIGCONT)
            wait_for(lambda: request["request_id"] + " completed" in log_of(stack, "sleeper"), 30)
            assert {repr(each) for each in stack.notified(account)} == {repr(notification)}
            assert stack.download(notification)[0] == 200


def test_a_second_worker_that_joins_in_the_middle_changes_nothing(stack: Stack, account: str) -> None:
    with stack.exporter():
        request = begin_and_hold(stack, account)
        with killed_in_the_end(stack.start("second", port=free_port())) as second:
            wait_for(lambda: "reading" in log_of(stack, "second"), 30)
            wait_for(lambda: stack.get("/readyz")[0] == 200, 30)
            stack.ask(account)
            let_go(stack, account)
            notification = stack.wait_for_notification(request, 30)
            assert notification["row_count"] == 2
            second.send_signal(signal.SIGTERM)
            assert second.wait(10) == 0
        others = [f"{account} {number}" for number in range(6)]
        for asked in [stack.ask(other) for other in others]:
            assert stack.wait_for_notification(asked, 30)["status"] == "completed"
        assert {repr(each) for each in stack.notified(account)} == {repr(notification)}


def test_a_bug_ends_the_process_with_status_1_and_acknowledges_nothing(stack: Stack, account: str) -> None:
    request_id = str(uuid.uuid4())
    record = stack.folder / "storage" / ExportKeys.of(account, request_id).request
    record.parent.mkdir(parents=True)
    record.write_text("not what the exporter writes")
    with stack.exporter() as process:
        request = stack.ask(account, request_id=request_id)
        assert process.wait(20) == 1
    record.unlink()
    with stack.exporter():
        assert stack.wait_for_notification(request)["status"] == "completed"


@pytest.mark.parametrize(
    "condition", ["account_id = {account_id:String}", "log_offset < {log_end_offset:Int64}"], ids=["account", "end"]
)
def test_a_row_that_is_none_of_the_accounts_business_ends_the_process_and_there_is_no_file(
    stack: Stack, account: str, condition: str
) -> None:
    stack.movements(account, [{}])
    home = account_partition(account, PARTITIONS)
    others = (f"{account} of somebody else {number}" for number in itertools.count())
    neighbour = next(each for each in others if account_partition(each, PARTITIONS) == home)
    stack.movements(neighbour, [{"interaction_id": "not yours"}])
    with stack.exporter(log_name="sabotaged", without_condition=condition) as process:
        request = begin_and_hold(stack, account)
        stack.movements(account, [{}])  # which belongs to the next export
        assert process.wait(20) == 1
    keys = ExportKeys.of(account, request["request_id"])
    assert not (stack.folder / "storage" / keys.file).exists()
    assert not (stack.folder / "storage" / keys.outcome).exists()
    assert stack.notified(account) == []
    assert "ForeignMovementError" in log_of(stack, "sabotaged")
    assert "not yours" not in log_of(stack, "sabotaged")
    with stack.exporter():
        assert stack.wait_for_notification(request)["row_count"] == 3


def test_a_port_that_is_taken_is_said_in_one_line(stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = stack.start("port_taken", port=taken.getsockname()[1])
        assert process.wait(20) == 1
    last_line = log_of(stack, "port_taken").splitlines()[-1]
    assert "cannot listen on 127.0.0.1:" in last_line
