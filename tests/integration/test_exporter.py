"""The exporter on real parts: a request goes into Kafka, a notification comes out, and its link gives the file."""

import csv
import hashlib
import io
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.storage.keys import ExportKeys
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS
from tests.integration.exporter_stack import (
    DEAD_LETTERS,
    PARTITIONS,
    Stack,
    exporter_stack,
    now_micros,
    target_of,
    wait_for,
)

HEADER = "Date & Time,Interaction ID,Description,Units,Units charged,Value per unit,Credit movement\r\n"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def stack(clickhouse: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all tests of this module: they use accounts of their own."""
    with exporter_stack(clickhouse, registry, tmp_path_factory.mktemp("exporter")) as stack:
        yield stack


@pytest.fixture(scope="module", autouse=True)
def exporter(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    with stack.exporter() as process:
        yield process


@pytest.fixture
def account() -> str:
    return f"account {uuid.uuid4()} ü/'\""


def test_a_request_becomes_the_file_behind_its_notifications_link(stack: Stack, account: str) -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    now = now_micros()
    moments = [now - 3_600_000_000 + second * 1_000_001 for second in range(4)]
    stack.movements(
        account,
        [
            {"occurred_at": moments[2], "interaction_id": "=HYPERLINK(1)", "credit_movement_nanos": -1},
            {"occurred_at": moments[0], "interaction_id": 'a "quoted", id'},
            {
                "occurred_at": moments[3],
                "interaction_id": "pay-1",
                "description": "top-up",
                "unit": "",
                "units_charged": 0,
                "price_nanos": 0,
                "price_units": 1,
                "credit_movement_nanos": 12_500_000_000,
            },
            {"occurred_at": moments[1], "interaction_id": "free of charge", "credit_movement_nanos": 0},
        ],
    )
    request = stack.ask(account, time_zone=zone.key, requested_at=now)
    notification = stack.wait_for_notification(request)

    def local(micros: int) -> str:
        return (EPOCH + timedelta(microseconds=micros)).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")

    rows = [
        [local(moments[0]), 'a "quoted", id', "call", "minutes", "1", "0.03", "-0.03"],
        [local(moments[2]), "'=HYPERLINK(1)", "call", "minutes", "1", "0.03", "-0.000000001"],
        [local(moments[3]), "pay-1", "top-up", "", "", "", "12.5"],
    ]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    expected = (HEADER + text.getvalue()).encode()
    today = datetime.fromtimestamp(now / 1e6, tz=zone).date()
    name = f"credit-movements_{today - timedelta(days=30)}_{today}.csv"
    status, headers, body = stack.download(notification)
    assert (status, body) == (200, expected)
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-store"
    midnight = datetime.combine(today - timedelta(days=30), datetime.min.time(), zone)
    unforeseen = {"notification_id": "", "download_url": "", "manifest_url": "", "expires_at": 0, "notified_at": 0}
    assert notification | unforeseen == {
        "notification_id": "",
        "export_id": request["request_id"],
        "account_id": account,
        "requested_by": "user-1",
        "status": "completed",
        "period_from": (midnight - EPOCH) // timedelta(microseconds=1),
        "period_to": now,
        "time_zone": zone.key,
        "file_name": name,
        "download_url": "",
        "expires_at": 0,
        "row_count": 3,
        "size_bytes": len(expected),
        "sha256": hashlib.sha256(expected).hexdigest(),
        "data_complete_until": None,
        "error_code": None,
        "error_message": None,
        "notified_at": 0,
        "manifest_url": "",
    }
    assert notification["expires_at"] == notification["notified_at"] + 3600 * 1_000_000
    assert notification["download_url"].endswith(name)


def test_the_notification_lies_in_the_requests_partition_at_the_time_it_tells(stack: Stack, account: str) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    [message] = [each for each in stack.read_all(EXPORT_NOTIFICATIONS.name) if each.key() == account.encode()]
    assert message.partition() == account_partition(account, PARTITIONS)
    assert message.timestamp()[1] * 1000 == notification["notified_at"]


def test_an_account_without_movements_gets_the_header_alone(stack: Stack, account: str) -> None:
    stack.movements(f"{account} of somebody else", [{}])
    notification = stack.wait_for_notification(stack.ask(account))
    assert (notification["status"], notification["row_count"]) == ("completed", 0)
    assert stack.download(notification)[2] == HEADER.encode()


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


def test_what_enters_the_log_after_the_export_began_belongs_to_the_next(stack: Stack, account: str) -> None:
    partition = account_partition(account, PARTITIONS)
    stack.movements(account, [{}])
    stack.append_to_log(partition, 1)
    request = stack.ask(account)
    keys = ExportKeys.of(account, request["request_id"])
    wait_for((stack.folder / "storage" / keys.request).exists, 10)
    stack.movements(account, [{}, {}])
    assert stack.wait_for_notification(request)["row_count"] == 1
    assert stack.wait_for_notification(stack.ask(account))["row_count"] == 3


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


def test_a_part_of_a_file_can_be_asked_for(stack: Stack, account: str) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    size = notification["size_bytes"]
    status, headers, body = stack.download(notification, headers={"Range": "bytes=5-9"})
    assert (status, body, headers["Content-Range"]) == (206, HEADER.encode()[5:10], f"bytes 5-9/{size}")
    status, headers, body = stack.download(notification, headers={"Range": f"bytes={size}-"})
    assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
    status, headers, body = stack.download(notification, method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(size))
    status, headers, body = stack.download(notification, headers={"Range": "bytes=5-9"}, method="HEAD")
    # Parts are of GET alone: RFC 9110, section 14.2.
    assert (status, body, headers["Content-Length"]) == (200, b"", str(size))
    assert stack.download(notification, method="POST")[0] == 405


def test_any_change_to_a_link_is_refused(stack: Stack, account: str) -> None:
    target = target_of(stack.wait_for_notification(stack.ask(account)))
    last_of_token = target.rindex("/") - 1
    altered = [
        target[:at] + other + target[at + 1 :]
        for at in (12, 40, last_of_token - 50, last_of_token, len(target) - 1)
        for other in "AQgwBx-_"
        if target[at] != other
    ]
    altered += [
        target + "?",
        target + "?x=1",
        target + "/",
        target.replace("movements_", "movements%5F"),
        target.replace("/downloads/", "/downloads//"),
        target.replace("/downloads/", "/downloads/./"),
        target.replace(".csv", ".CSV"),
        target[: last_of_token + 1],
        "/downloads/",
        "/downloads/x/y",
        "/downloads/%ff%00/x",
        target.replace("/downloads/", "/downloads/="),
    ]
    assert {each: stack.get(each)[0] for each in altered} == dict.fromkeys(altered, 403)
    assert stack.get(target)[0] == 200


def test_a_link_whose_file_is_gone_is_not_found(stack: Stack, account: str) -> None:
    request = stack.ask(account)
    notification = stack.wait_for_notification(request)
    (stack.folder / "storage" / ExportKeys.of(account, request["request_id"]).file).unlink()
    assert stack.download(notification)[0] == 404


def test_many_accounts_at_once_each_get_their_own(stack: Stack, account: str) -> None:
    accounts = [f"{account} {number}" for number in range(12)]
    for number, each in enumerate(accounts):
        stack.movements(each, [{"interaction_id": each}] * (number % 3 + 1))
    requests = [stack.ask(each) for each in accounts]
    for number, (each, request) in enumerate(zip(accounts, requests, strict=True)):
        body = stack.download(stack.wait_for_notification(request))[2].decode()
        rows = list(csv.reader(io.StringIO(body, newline="")))[1:]
        assert [row[1] for row in rows] == [each] * (number % 3 + 1)
        assert sum(Decimal(row[-1]) for row in rows) == Decimal("-0.03") * (number % 3 + 1)


def test_the_pages_tell_of_life_readiness_and_counts(stack: Stack, account: str) -> None:
    stack.wait_for_notification(stack.ask(account))
    assert stack.get("/healthz")[0] == 200
    assert stack.get("/readyz")[0] == 200
    assert stack.metric('credit_exports_total{outcome="completed"}') >= 1
    assert stack.metric("credit_exports_in_progress") == 0
    assert stack.get("/")[0] == 404


def test_no_link_is_ever_logged(stack: Stack, account: str) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    target = target_of(notification)
    stack.download(notification)
    stack.get(target + "?altered")
    stack.download(notification, headers={"Range": "bytes=999999-"})
    token = target.split("/")[2]
    log = Path(stack.folder / "exporter.log").read_text()
    for answer in ("GET 200", "GET 416"):
        assert f"download of export {notification['export_id']} of account {account!r}: {answer}" in log
    for secret in (token, *token.split(".")):
        assert secret not in log


# Ids that a careless query, path or comparison would take for one another, or for more than an id.
LOOK_ALIKES = [
    "a",
    "A",
    "a' OR 1=1",
    "a' OR '1'='1' --",
    "a--",
    "a%",
    "a_",
    "a*",
    "%",
    "a\\",
    "a\\\\",
    "a'",
    'a"',
    "../b",
    "b",
    "/b",
    " a",
    "a ",
    " a ",
    "\ta",
    "a\n",
    "a\x00",
    "\u00e9",  # é in one
    "e\u0301",  # and in two
    "\u212b",  # Å as a unit, which NFC makes
    "\u00c5",  # a letter
    "ﬁ",
    "fi",
    "\u0430",  # a Cyrillic one
    "\u202ea",
    "مرحبا",
    ("é猫😀مرحبا\u200f👩\u200d👩\u200d👧" * 11)[:128],
    ("é猫😀مرحبا\u200f👩\u200d👩\u200d👧" * 11)[:127],
    "x" * 128,
]


def test_accounts_that_look_alike_get_their_own_rows_and_nobody_elses(stack: Stack) -> None:
    assert len(set(LOOK_ALIKES)) == len(LOOK_ALIKES)
    own_rows = {each: [f"{number}.{row}" for row in range(number + 1)] for number, each in enumerate(LOOK_ALIKES)}
    for each, rows in own_rows.items():
        stack.movements(each, [{"interaction_id": row} for row in rows])
    requests = {each: stack.ask(each) for each in LOOK_ALIKES}
    for each, request in requests.items():
        notification = stack.wait_for_notification(request, 60)
        assert (notification["status"], notification["account_id"]) == ("completed", each)
        status, _, body = stack.download(notification)
        found = [row[1] for row in csv.reader(io.StringIO(body.decode(), newline=""))][1:]
        assert (status, sorted(found)) == (200, sorted(own_rows[each])), each
