"""Which requests get an export, which are repeats, and what becomes of those that are refused."""

import uuid

import pytest

from schemas.partitioner import account_partition
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS
from tests.integration.exporter.exporter_stack import DEAD_LETTERS, PARTITIONS, Stack, now_micros, wait_for


def test_a_request_while_an_earlier_one_waits_creates_nothing(stack: Stack, account: str) -> None:
    partition = account_partition(account, PARTITIONS)
    repeats = stack.metric("credit_export_repeats_total")
    stack.append_to_log(partition, 1)  # which the sink has not written yet: the export has to wait
    first = stack.ask(account)
    stack.ask(account)
    stack.ask(account)
    stack.commit_sink(partition)
    notification = stack.wait_for_notification(first)
    wait_for(lambda: stack.metric("credit_export_repeats_total") == repeats + 2, 10)
    assert stack.notified(account) == [notification]


def test_a_request_after_the_notification_creates_a_new_export(stack: Stack, account: str) -> None:
    first = stack.wait_for_notification(stack.ask(account))
    second = stack.wait_for_notification(stack.ask(account))
    assert first["notification_id"] != second["notification_id"]
    assert {stack.download(each)[0] for each in (first, second)} == {200}


def test_a_request_id_that_was_ever_accepted_creates_nothing(stack: Stack, account: str) -> None:
    request = stack.ask(account)
    notification = stack.wait_for_notification(request)
    repeats = stack.metric("credit_export_repeats_total")
    stack.ask(account, request_id=request["request_id"])
    wait_for(lambda: stack.metric("credit_export_repeats_total") == repeats + 1, 10)
    assert stack.notified(account) == [notification]


def test_the_same_request_id_of_two_accounts_makes_two_exports(stack: Stack, account: str) -> None:
    other = f"{account} too"
    stack.movements(other, [{}, {}])
    request = stack.ask(account)
    other_request = stack.ask(other, request_id=request["request_id"])
    assert stack.wait_for_notification(request)["row_count"] == 0
    assert stack.wait_for_notification(other_request)["row_count"] == 2


def test_an_unknown_time_zone_fails_at_once_and_frees_the_account(stack: Stack, account: str) -> None:
    failure = stack.wait_for_notification(stack.ask(account, time_zone="../../etc/passwd"))
    assert (failure["status"], failure["error_code"]) == ("failed", "unknown_time_zone")
    assert failure["error_message"]
    assert [failure[name] for name in ("file_name", "download_url", "expires_at", "row_count", "sha256")] == [None] * 5
    assert stack.wait_for_notification(stack.ask(account, time_zone="UTC"))["status"] == "completed"


def test_a_request_that_cannot_be_used_becomes_a_dead_letter_with_its_bytes_untouched(
    stack: Stack, account: str
) -> None:
    home = account_partition(account, PARTITIONS)
    good = {
        "request_id": str(uuid.uuid4()),
        "account_id": account,
        "requested_at": now_micros(),
        "time_zone": None,
        "requested_by": None,
        "csv_encoding": None,
        "csv_separator": None,
        "compression": None,
    }
    encode = stack.requests.encode_one
    in_capitals = str(uuid.uuid4()).upper()
    sent = {
        "undecodable": [(home, None), (home, b""), (home, encode(good)[:20]), (home, encode(good) + b"x")],
        "unknown_schema": [(home, b"\x00\x7f\xff\xff\xff" + encode(good)[5:])],
        "invalid_event": [
            (home, encode(good | {"request_id": in_capitals})),
            (home, encode(good | {"account_id": ""})),
            (home, encode(good | {"requested_by": "x" * 129})),
            (home, encode(good | {"requested_at": now_micros() - 301_000_000})),
            (home, encode(good | {"requested_at": now_micros() + 330_000_000})),
            (home, encode(good | {"requested_at": 2**63 - 1})),
        ],
        "wrong_partition": [((home + 1) % PARTITIONS, encode(good))],
    }
    expected = [(reason, partition, value) for reason, records in sent.items() for partition, value in records]
    for _, partition, value in expected:
        stack.send(account, value, partition)
    last = stack.ask(account)
    stack.wait_for_notification(last)
    wait_for(lambda: len(stack.read_all(DEAD_LETTERS.name)) == len(expected), 10)
    letters = stack.read_all(DEAD_LETTERS.name)
    seen = []
    for letter in letters:
        headers = dict(letter.headers() or [])
        assert headers["dlq.source.topic"] == EXPORT_REQUESTS.name.encode()
        assert headers["dlq.source.partition"] == str(letter.partition()).encode()
        assert headers["dlq.source.offset"].isdigit()
        assert headers["dlq.detail"]
        assert letter.key() == account.encode()
        seen.append((headers["dlq.reason"].decode(), letter.partition(), letter.value()))
    assert sorted(map(repr, seen)) == sorted(map(repr, expected))
    # Where both ids can be read, the account is told; however often, it is one and the same failure for an id.
    told = {each["notification_id"]: each for each in stack.notified(account)}
    outcomes = {each["export_id"]: (each["status"], each["error_code"]) for each in told.values()}
    refused = ("failed", "invalid_request")
    assert outcomes == {last["request_id"]: ("completed", None), good["request_id"]: refused, in_capitals: refused}
    assert len(told) == 3
    home_of = {each.partition() for each in stack.read_all(EXPORT_NOTIFICATIONS.name) if each.key() == account.encode()}
    assert home_of == {home}


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_a_request_may_be_compressed(stack: Stack, account: str, compression: str) -> None:
    with stack.producing(compression):
        request = stack.ask(account, time_zone="x" * 2000)  # long enough to be worth it
    assert stack.wait_for_notification(request)["error_code"] == "unknown_time_zone"
