"""What people see of an export while it is made: the status page of any worker, and `request-export --wait`."""

import http.client
import json
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka import Consumer, TopicPartition

from credit_movements import clients
from credit_movements.settings import Settings
from exporter.faust_app import GROUP_ID
from exporter.positions.unread import UnreadRequests
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_REQUESTS
from tests.acceptance.command import COMMAND, clean_environment
from tests.conftest import free_port
from tests.integration.exporter.exporter_stack import PARTITIONS, TOKEN, Stack, exporter_stack, now_micros, wait_for
from tests.integration.stack import Stack as Topics


@pytest.fixture(scope="module")
def stack(clickhouse: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with exporter_stack(clickhouse, registry, tmp_path_factory.mktemp("status")) as stack:
        yield stack


@pytest.fixture(scope="module")
def ports(stack: Stack) -> Iterator[tuple[int, int]]:
    """Two workers on the same topics and storage."""
    second = free_port()
    with stack.exporter() as process:
        other = stack.start("second", port=second)
        try:
            wait_for(lambda: "reading export-requests" in (stack.folder / "second.log").read_text(), 30)
            stack.wait_until_ready(process)
            yield stack.port, second
        finally:
            other.kill()
            other.wait()


@pytest.fixture
def account() -> str:
    return f"account {uuid.uuid4()} ü/%2F"


def asked(port: int, account: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        connection.request("GET", f"/exports/{quote(account, safe='')}", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        found: dict[str, Any] = json.loads(answer.read())
        return found
    finally:
        connection.close()


def hold_up(stack: Stack, account: str) -> int:
    """The log goes on and the sink does not: an export of the account has to wait until `commit_sink`."""
    partition = account_partition(account, PARTITIONS)
    stack.append_to_log(partition, 1)
    return partition


def waiting_command(stack: Stack, account: str, *options: str) -> "subprocess.Popen[str]":
    settings = {
        "CREDIT_KAFKA_BOOTSTRAP_SERVERS": stack.broker,
        "CREDIT_SCHEMA_REGISTRY_URL": stack.registry,
        "CREDIT_TOPIC_PARTITIONS": str(PARTITIONS),
        "CREDIT_EXPORT_HTTP_PORT": str(stack.port),
        "CREDIT_EXPORT_STATUS_TOKEN": TOKEN,
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        (*COMMAND, "request-export", account, "--wait", "--data-dir", str(stack.folder), *options),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(**settings),
    )  # fmt: skip


def requested(stack: Stack, account: str) -> list[dict[str, Any]]:
    records = [stack.requests.decode_one(each.value()) for each in stack.read_all(EXPORT_REQUESTS.name)]
    return [record for record in records if record["account_id"] == account]


def test_two_workers_tell_the_same_from_the_click_to_the_file(
    stack: Stack, ports: tuple[int, int], account: str
) -> None:
    stack.movements(account, [{"occurred_at": now_micros() - 3_600_000_000}])
    assert {asked(port, account)["state"] for port in ports} == {"none"}
    partition = hold_up(stack, account)
    request = stack.ask(account)
    wait_for(lambda: {asked(port, account)["state"] for port in ports} == {"running"}, 20)
    told = [asked(port, account) for port in ports]
    # One of the two makes it, and it alone knows how far it is.
    assert {each.pop("rows_written") for each in told} == {0, None}
    assert told[0] == told[1]
    stack.commit_sink(partition)
    notification = stack.wait_for_notification(request)
    first, second = (asked(port, account) for port in ports)
    assert first == second
    assert (first["state"], first["export_id"], first["row_count"]) == ("completed", request["request_id"], 1)
    assert first["download_url"] == notification["download_url"]


def test_after_the_end_of_all_workers_the_next_one_knows_the_last_export(
    stack: Stack, ports: tuple[int, int], account: str
) -> None:
    request = stack.ask(account, time_zone="Mars/Olympus")
    stack.wait_for_notification(request)
    third = free_port()
    process = stack.start("third", port=third)
    try:
        wait_for(lambda: "at work" in (stack.folder / "third.log").read_text(), 30)
        told = asked(third, account)
        assert (told["state"], told["error_code"]) == ("failed", "unknown_time_zone")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("options", "ends_with"),
    [
        ((), ""),
        (("--columns", "detailed"), "asked for with other options than yours, and yours was not made: ask again now."),
    ],
)
def test_a_person_who_waits_for_a_repeat_is_told_so_and_gets_the_earlier_export(
    stack: Stack, ports: tuple[int, int], account: str, options: tuple[str, ...], ends_with: str
) -> None:
    partition = hold_up(stack, account)
    earlier = stack.ask(account)
    wait_for(lambda: asked(ports[0], account)["state"] == "running", 20)
    with waiting_command(stack, account, *options) as command:
        wait_for(lambda: len(requested(stack, account)) == 2, 20)
        stack.commit_sink(partition)
        shown, errors = command.communicate(timeout=40)
    assert command.returncode == (1 if options else 0), errors
    assert errors.strip().endswith(ends_with)
    assert "An export is already being processed: waiting for that one." in shown
    assert "This is the export that was already being processed" in shown
    assert re.search(r"^Export running, \d+ s$", shown, re.MULTILINE)
    # A worker that joins or leaves can repeat a notification, as the contract says; it makes no second export.
    notification, *repeated = stack.notified(account)
    assert notification["export_id"] == earlier["request_id"]
    assert all(each == notification for each in repeated)
    for line in (f"Link:        {notification['download_url']}", "Rows:        0 movements", "Size:        91 bytes"):
        assert line in shown.splitlines()


def test_a_notification_of_before_the_click_is_no_answer_to_it(
    stack: Stack, ports: tuple[int, int], account: str
) -> None:
    stack.wait_for_notification(stack.ask(account, time_zone="Mars/Olympus"))
    with waiting_command(stack, account, "--time-zone", "Europe/Berlin") as command:
        shown, errors = command.communicate(timeout=40)
    assert command.returncode == 0, errors
    assert "already being processed" not in shown
    assert len({each["export_id"] for each in stack.notified(account)}) == 2


def test_a_failure_ends_with_its_message_and_status_1(stack: Stack, ports: tuple[int, int], account: str) -> None:
    with waiting_command(stack, account, "--time-zone", "Mars/Olympus") as command:
        _, errors = command.communicate(timeout=40)
    assert command.returncode == 1
    [line] = errors.strip().splitlines()
    assert line.startswith("credit-movements: The export failed (unknown_time_zone): The time zone of this export")


def test_ctrl_c_says_that_the_export_goes_on_and_so_it_does(stack: Stack, ports: tuple[int, int], account: str) -> None:
    partition = hold_up(stack, account)
    with waiting_command(stack, account) as command:
        wait_for(lambda: asked(ports[0], account)["state"] == "running", 30)
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=20)
    assert command.returncode == 130
    [line] = errors.strip().splitlines()
    assert "goes on" in line
    stack.commit_sink(partition)
    wait_for(lambda: asked(ports[0], account)["state"] == "completed", 20)


def test_a_wait_that_is_too_short_ends_with_one_line(stack: Stack, ports: tuple[int, int], account: str) -> None:
    partition = hold_up(stack, account)
    with waiting_command(stack, account, "--timeout", "0.5") as command:
        _, errors = command.communicate(timeout=40)
    stack.commit_sink(partition)
    assert command.returncode == 1
    [line] = errors.strip().splitlines()
    assert "within 0.5 s" in line


def test_unread_requests_are_those_from_the_committed_offset_to_the_end(
    settings: Settings, stack_on_each_broker: Topics, tmp_path: Path
) -> None:
    request = {"account_id": "acme", "requested_at": 1, "time_zone": None, "requested_by": None}
    stack_on_each_broker.publish(EXPORT_REQUESTS, *({**request, "request_id": str(number)} for number in range(3)))
    partition = account_partition("acme", settings.topic_partitions)
    waited_seconds = 0
    member = clients.group_consumer(settings, GROUP_ID)
    unread = UnreadRequests(member, "log", lambda: float(waited_seconds))

    def offsets() -> list[int]:
        nonlocal waited_seconds
        waited_seconds += 2
        return [each.position.offset for each in unread.of_partition(partition)]

    try:
        assert offsets() == [0, 1, 2]
        assert unread.of_partition((partition + 1) % settings.topic_partitions) == []
        commit(settings, partition, 2)
        assert len(unread.of_partition(partition)) == 3, "within a second Kafka is not asked again"
        assert offsets() == [2]
        commit(settings, partition, 3)
        assert offsets() == []
        assert unread.of_partition(partition) == []
    finally:
        member.close()


def commit(settings: Settings, partition: int, offset: int) -> None:
    exporter: Consumer = clients.group_consumer(settings, GROUP_ID)
    exporter.commit(offsets=[TopicPartition(EXPORT_REQUESTS.name, partition, offset)], asynchronous=False)
    exporter.close()


@pytest.fixture
def stack_on_each_broker(settings: Settings) -> Iterator[Topics]:
    from credit_movements.setup.provision import make_topics

    make_topics(settings)
    with Topics(settings) as topics:
        yield topics
