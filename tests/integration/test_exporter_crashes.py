"""What the exporter does when something dies, stops, hangs or goes away: itself first of all."""

import itertools
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service
from credit_movements.supervision.processes import running
from exporter.storage.keys import ExportKeys
from schemas.partitioner import account_partition
from sinks.write.migrations import apply_migrations
from tests.conftest import free_port
from tests.integration.exporter_stack import PARTITIONS, SECRET, Stack, exporter_stack, target_of, wait_for


@pytest.fixture(scope="module")
def stack(clickhouse: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with exporter_stack(clickhouse, registry, tmp_path_factory.mktemp("exporter_crashes")) as stack:
        yield stack


@pytest.fixture
def account() -> str:
    return f"account-{uuid.uuid4()}"


@contextmanager
def killed_in_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def accepted(stack: Stack, request: dict[str, Any]) -> Path:
    return stack.folder / "storage" / ExportKeys.of(request["account_id"], request["request_id"]).request


def log_of(stack: Stack, name: str) -> str:
    return (stack.folder / f"{name}.log").read_text()


def begin_and_hold(stack: Stack, account: str) -> dict[str, Any]:
    """A request that was accepted, and has to wait: the sink lacks one record."""
    stack.movements(account, [{}, {}])
    stack.append_to_log(account_partition(account, PARTITIONS), 1)
    request = stack.ask(account)
    wait_for(accepted(stack, request).exists, 15)
    return request


def let_go(stack: Stack, account: str) -> None:
    stack.commit_sink(account_partition(account, PARTITIONS))


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


def test_a_port_that_is_taken_is_said_in_one_line(stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = stack.start("port_taken", port=taken.getsockname()[1])
        assert process.wait(20) == 1
    last_line = log_of(stack, "port_taken").splitlines()[-1]
    assert "cannot listen on 127.0.0.1:" in last_line


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


def test_an_outage_of_clickhouse_is_waited_out(stack: Stack, account: str, log_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    with killed_in_the_end(stack.start(clickhouse=clickhouse_dsn(port, "a-password-for-tests"))):
        request = stack.ask(account)
        wait_for(accepted(stack, request).exists, 15)
        assert stack.get("/readyz")[0] == 503
        assert "clickhouse" in stack.get("/readyz")[2].decode()
        with running(clickhouse_service(tmp_path, port, "a-password-for-tests"), log_dir):
            apply_migrations(clickhouse_dsn(port, "a-password-for-tests"))
            assert stack.wait_for_notification(request)["status"] == "completed"


def test_an_outage_that_lasts_makes_one_failure_and_frees_the_account(stack: Stack, account: str) -> None:
    with killed_in_the_end(stack.start(clickhouse="http://127.0.0.1:9/default", outage_limit_seconds=1)):
        failure = stack.wait_for_notification(stack.ask(account))
        assert (failure["status"], failure["error_code"]) == ("failed", "temporarily_unavailable")
        assert "127.0.0.1" not in failure["error_message"]
        second = stack.wait_for_notification(stack.ask(account))
        assert second["status"] == "failed"
        assert stack.notified(account) == [failure, second]


def test_a_sink_that_stays_behind_makes_a_failure(stack: Stack, account: str) -> None:
    with stack.exporter(outage_limit_seconds=1):
        stack.append_to_log(account_partition(account, PARTITIONS), 1)
        assert stack.wait_for_notification(stack.ask(account))["error_code"] == "temporarily_unavailable"
        let_go(stack, account)


def test_a_storage_that_is_away_makes_a_failure_and_is_written_down_when_it_is_back(
    stack: Stack, account: str, tmp_path: Path
) -> None:
    broken = tmp_path / "storage"
    with killed_in_the_end(stack.start(storage_url=f"file://{broken}", outage_limit_seconds=1)):
        wait_for(broken.exists, 20)
        broken.rmdir()
        broken.write_text("in the way")
        request = stack.ask(account)
        assert stack.wait_for_notification(request)["status"] == "failed"
        assert stack.get("/readyz")[0] == 503
        broken.unlink()
        outcome = broken / ExportKeys.of(account, request["request_id"]).outcome
        wait_for(outcome.exists, 40)
        assert stack.wait_for_notification(stack.ask(account))["status"] == "completed"


def test_a_broker_that_hangs_is_waited_out(stack: Stack, account: str) -> None:
    with stack.exporter() as process:
        request = begin_and_hold(stack, account)
        os.kill(stack.broker_process_id, signal.SIGSTOP)
        try:
            wait_for(lambda: "kafka" in stack.get("/readyz")[2].decode(), 20)
            time.sleep(5)
        finally:
            os.kill(stack.broker_process_id, signal.SIGCONT)
        let_go(stack, account)
        assert stack.wait_for_notification(request, 40)["row_count"] == 2
        assert stack.wait_for_notification(stack.ask(account), 40)["status"] == "completed"
        assert process.poll() is None


def test_a_broker_that_hangs_does_not_hold_up_the_end(stack: Stack, account: str) -> None:
    with stack.exporter() as process:
        stack.wait_for_notification(stack.ask(account))
        request = begin_and_hold(stack, account)
        os.kill(stack.broker_process_id, signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            os.kill(stack.broker_process_id, signal.SIGCONT)
    let_go(stack, account)
    with stack.exporter():
        assert stack.wait_for_notification(request)["status"] == "completed"


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


def test_a_link_expires_and_its_file_is_deleted(stack: Stack, account: str) -> None:
    with stack.exporter(link_ttl_seconds=2, expiry_sweep_seconds=1):
        request = stack.ask(account)
        notification = stack.wait_for_notification(request)
        file = stack.folder / "storage" / ExportKeys.of(account, request["request_id"]).file
        wait_for(lambda: stack.download(notification)[0] == 410, 10)
        wait_for(lambda: not file.exists(), 10)
        assert accepted(stack, request).exists()
        # What was given may be seen no more; what lies under its name may be there no more either.
        assert list(file.parent.iterdir()) == []


def test_a_link_works_on_when_the_key_is_changed(stack: Stack, account: str) -> None:
    new = "another secret of thirty-two bytes or more"
    with stack.exporter():
        notification = stack.wait_for_notification(stack.ask(account))
    with stack.exporter(link_secret=new, link_secret_previous=SECRET):
        assert stack.download(notification)[0] == 200
        later = stack.wait_for_notification(stack.ask(account))
    with stack.exporter(link_secret=new):
        assert stack.download(notification)[0] == 403
        assert stack.download(later)[0] == 200


def test_it_begins_before_kafka_does_and_says_what_it_waits_for(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    with killed_in_the_end(stack.start(broker=f"127.0.0.1:{port}")) as process:

        def answers() -> bool:
            try:
                return stack.get("/readyz")[0] == 503
            except OSError:
                return False

        wait_for(answers, 20)
        assert "kafka" in stack.get("/readyz")[2].decode()
        assert stack.get("/healthz")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
