"""A request goes into Kafka, a notification comes out, and its link gives the account's own rows."""

import csv
import hashlib
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from exporter.storage.keys import ExportKeys
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_NOTIFICATIONS
from tests.integration.exporter.exporter_stack import HEADER, PARTITIONS, Stack, now_micros, wait_for

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
