"""What a customer may ask of a file, and the manifest that comes with it, on real parts."""

import asyncio
import gzip
import hashlib
import io
import json
import subprocess
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import fastavro
import pytest
from prometheus_client import CollectorRegistry

from credit_movements.verify.verification import manifest_beside, verified
from exporter.file.making import FileMaker
from exporter.file.slots import Slots
from exporter.metrics import ExporterMetrics
from exporter.request.file_options import AskedFile, FileOptions
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period, export_period
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_REQUESTS
from tests.integration.exporter.exporter_stack import HEADER, PARTITIONS, Stack, exporter_stack, now_micros
from tests.unit.exporter.office import at_once


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
    return f"account {uuid.uuid4()}"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"csv_encoding": "utf-8-sig", "csv_separator": ";", "compression": "gzip"},
        {"csv_separator": ";", "columns": "detailed"},
        {"columns": "detailed", "format": "xlsx"},
        {"columns": "detailed", "format": "parquet"},
        {"format": "focus"},
    ],
    ids=lambda asked: " ".join(asked.values()) or "default",
)
def test_a_downloaded_file_is_what_its_manifest_says(
    stack: Stack, account: str, tmp_path: Path, asked: dict[str, str]
) -> None:
    stack.movements(account, [{"interaction_id": f"=call-{number}"} for number in range(200)])
    notification = stack.wait_for_notification(stack.ask(account, time_zone="Asia/Kathmandu", **asked))
    file = tmp_path / notification["file_name"]
    file.write_bytes(stack.download(notification)[2])
    manifest_beside(file).write_bytes(stack.get(urlsplit(notification["manifest_url"]).path)[2])
    manifest, findings = verified(file, None)
    assert (manifest.row_count, findings.listed) == (200, [])


@pytest.mark.parametrize(
    "asked",
    [
        AskedFile(compression="gzip"),
        AskedFile(columns="detailed", format="xlsx"),
        AskedFile(columns="detailed", format="parquet"),
        AskedFile(format="focus", compression="gzip"),
    ],
    ids=lambda asked: asked.format or "csv",
)
def test_two_workers_make_the_same_file_and_the_same_manifest(
    stack: Stack, account: str, tmp_path: Path, asked: AskedFile
) -> None:
    stack.movements(account, [{"interaction_id": f"call-{number}"} for number in range(100)])
    position = RequestPosition("log-1", account_partition(account, PARTITIONS), 9)
    now = now_micros()
    request = ExportRequest(str(uuid.uuid4()), account, now, None, None, position, now // 1000, asked)
    options, period = asked.options(), export_period(now, None)
    assert isinstance(options, FileOptions)
    assert isinstance(period, Period)
    end = stack.log_ends[position.partition]
    accepted = AcceptedRequest(request, period, "log-1", end, now)
    made = []
    for worker in ("one", "another"):
        storage = ExportStorage.open((tmp_path / worker).as_uri())
        connect = partial(clickhouse_connect.get_client, dsn=stack.clickhouse)
        metrics = ExporterMetrics(CollectorRegistry())
        maker = FileMaker(
            storage,
            connect,
            at_once(end),
            slots=Slots(1),
            metrics=metrics,
            time_limit_seconds=60.0,
            provider="Example Telecom",
        )
        asyncio.run(maker.make(accepted, period, options, end, 5.0))
        made.append([(tmp_path / worker / key).read_bytes() for key in (accepted.keys.file, accepted.keys.manifest)])
        # What comes later, and is above the noted end, changes nothing, in the period or before it.
        stack.movements(account, [{}, {"occurred_at": now - 40 * 24 * 3_600_000_000}])
    assert made[0] == made[1]
    assert json.loads(made[0][1])["row_count"] == 100


def test_an_own_period_and_some_descriptions_and_a_balance_that_counts_all(
    stack: Stack, account: str, tmp_path: Path
) -> None:
    now, day = now_micros(), 24 * 3_600_000_000
    refund = {"description": "refund", "unit": "", "units_charged": 0, "credit_movement_nanos": 10_000_000}
    stack.movements(
        account,
        [{"occurred_at": now - days * day} for days in (100, 60, 59)]
        + [{"occurred_at": now - 58 * day, **refund}, {"occurred_at": now - 40 * day}, {}],
    )
    asked = {
        "period_from": now - 60 * day,
        "period_to": now - 50 * day,
        "descriptions": "refund,sms",
        "columns": "detailed",
    }
    notification = stack.wait_for_notification(stack.ask(account, **asked))
    assert (notification["period_from"], notification["period_to"]) == (asked["period_from"], asked["period_to"])
    assert notification["row_count"] == 1
    _, line, _ = stack.download(notification)[2].decode().split("\r\n")
    # Three calls for 0.03 each came before, one of them before the period.
    assert ",refund,,,,0.01," in line
    assert ",-0.08," in line
    file = tmp_path / notification["file_name"]
    file.write_bytes(stack.download(notification)[2])
    manifest_beside(file).write_bytes(stack.get(urlsplit(notification["manifest_url"]).path)[2])
    manifest, findings = verified(file, None)
    assert findings.listed == []
    assert (manifest.opening_balance, manifest.closing_balance) == (-30_000_000, -80_000_000)
    assert (manifest.left_out.row_count, manifest.left_out.credit_movement) == (2, -60_000_000)


@pytest.mark.parametrize("begin", [-3_600_000_000, 400 * 24 * 3_600_000_000], ids=["in the future", "over 13 months"])
def test_a_period_that_is_none_fails_at_once(stack: Stack, account: str, begin: int) -> None:
    failure = stack.wait_for_notification(stack.ask(account, period_from=now_micros() - begin))
    assert (failure["status"], failure["error_code"]) == ("failed", "invalid_period")
    assert "13 months" in failure["error_message"]


@pytest.mark.parametrize("option", ["csv_encoding", "csv_separator", "compression", "columns", "format"])
def test_an_unknown_option_fails_at_once(stack: Stack, account: str, option: str) -> None:
    failure = stack.wait_for_notification(stack.ask(account, **{option: "utf-16"}))
    assert (failure["status"], failure["error_code"]) == ("failed", "unknown_option")
    assert "with another choice" in failure["error_message"]


def test_a_request_written_with_version_1_gets_the_plain_file(stack: Stack, account: str) -> None:
    """By a dashboard that was never changed: its schema, under its old id."""
    stack.movements(account, [{}])
    request = {
        "request_id": str(uuid.uuid4()),
        "account_id": account,
        "requested_at": now_micros(),
        "time_zone": None,
        "requested_by": None,
    }
    old = stack.registry_client.get_version(EXPORT_REQUESTS.subject, 1)
    value = io.BytesIO()
    fastavro.schemaless_writer(value, json.loads(old.schema.schema_str or ""), request)
    stack.send(account, b"\0" + (old.schema_id or 0).to_bytes(4, "big") + value.getvalue())
    notification = stack.wait_for_notification(request)
    assert stack.download(notification)[2].startswith(HEADER.encode())


def test_a_file_for_european_excel_and_its_manifest(stack: Stack, account: str) -> None:
    stack.movements(account, [{"interaction_id": "a;b,c"}])
    asked = {"csv_encoding": "utf-8-sig", "csv_separator": ";", "compression": "gzip"}
    notification = stack.wait_for_notification(stack.ask(account, **asked))
    assert notification["file_name"].endswith(".csv.gz")
    _, headers, body = stack.download(notification)
    assert headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in headers
    assert hashlib.sha256(body).hexdigest() == notification["sha256"]
    mark, line = gzip.decompress(body).split(b"Date & Time;", 1)
    assert mark == b"\xef\xbb\xbf"
    assert line.endswith(b';"a;b,c";call;minutes;1;0,03;-0,03\r\n')
    status, headers, body = stack.get(urlsplit(notification["manifest_url"]).path)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    name = notification["file_name"] + ".manifest.json"
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    manifest = json.loads(body)
    assert {name: manifest[name] for name in asked} == asked
    assert manifest["sha256"] == notification["sha256"]


def test_a_manifest_tells_the_balance_before_and_after(stack: Stack, account: str) -> None:
    long_ago = now_micros() - 40 * 24 * 3_600_000_000
    top_up = {"description": "top-up", "unit": "", "units_charged": 0, "price_nanos": 0, "price_units": 1}
    stack.movements(
        account,
        [
            {"occurred_at": long_ago, **top_up, "credit_movement_nanos": 10_000_000_000},
            {"occurred_at": long_ago + 1, "credit_movement_nanos": -2_500_000_000},
            {"rate_card_id": "default"},
            {"description": "sms", "unit": "fragments", "units_charged": 2, "credit_movement_nanos": -1},
            {"price_nanos": 0, "price_units": 1, "credit_movement_nanos": 0},
            {**top_up, "credit_movement_nanos": 1_000_000_000},
            {**top_up, "description": "refund", "credit_movement_nanos": 20_000_000},
            {**top_up, "description": "chargeback", "credit_movement_nanos": -500_000_000},
        ],
    )
    notification = stack.wait_for_notification(stack.ask(account))
    manifest = json.loads(stack.get(urlsplit(notification["manifest_url"]).path)[2])
    assert manifest["row_count"] == notification["row_count"] == 5
    balances = ("opening_balance", "charges", "top_ups", "adjustments", "closing_balance")
    assert [manifest[name] for name in balances] == ["7.5", "-0.030000001", "1", "-0.48", "7.989999999"]
    assert [
        (each["description"], each["units_charged"], each["credit_movement"]) for each in manifest["by_description"]
    ] == [
        ("call", 1, "-0.03"),
        ("chargeback", 0, "-0.5"),
        ("refund", 0, "0.02"),
        ("sms", 2, "-0.000000001"),
        ("top-up", 0, "1"),
    ]
    assert [(each["rate_card_id"], each["row_count"]) for each in manifest["rate_cards"]] == [("default", 1), (None, 4)]
    assert manifest["ledger_position"]["log_id"] == "log-1"
    assert manifest["ledger_position"]["partition"] == account_partition(account, PARTITIONS)
