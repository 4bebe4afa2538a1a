"""ClickHouse, storage or Kafka is away: the exporter waits, and gives up where it must."""

import os
import signal
import time
from pathlib import Path

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service
from credit_movements.supervision.processes import running
from exporter.storage.keys import ExportKeys
from schemas.partitioner import account_partition
from sinks.write.migrations import apply_migrations
from tests.conftest import free_port
from tests.integration.exporter.crashes.holding import accepted, begin_and_hold, killed_in_the_end, let_go
from tests.integration.exporter.exporter_stack import PARTITIONS, Stack, wait_for


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
