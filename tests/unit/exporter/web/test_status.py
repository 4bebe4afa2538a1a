"""The state of an account's last export: any worker reads the same from storage and log."""

import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from exporter.file.progress import Progress
from exporter.foreign_outages import KafkaUnavailableError
from exporter.metrics import ExporterMetrics
from exporter.request.parsing import RawRequest
from exporter.request.requests import BadRequest, ExportRequest, RequestPosition
from exporter.request.window import Period
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest, ExportRecords, Outcome
from exporter.web.status import StatusSources, export_status
from schemas.dead_letters import Reason
from schemas.partitioner import account_partition

NOW_MS = time.time_ns() // 1_000_000
LOG = "log"


def asked(request_id: str, offset: int, sent_at_ms: int = NOW_MS, account_id: str = "acme", log_id: str = LOG) -> Any:
    position = RequestPosition(log_id, account_partition(account_id, 12), offset)
    return ExportRequest(request_id, account_id, sent_at_ms * 1000, None, "user-1", position, sent_at_ms)


def accepted(request: ExportRequest) -> AcceptedRequest:
    return AcceptedRequest(request, Period(0, request.requested_at_micros, "UTC"), "movements", 7)


def ended(request: ExportRequest, at_ms: int = NOW_MS + 10, **fields: Any) -> dict[str, Any]:
    everything = {
        "notification_id": "n", "export_id": request.request_id, "account_id": request.account_id, "requested_by": "user-1",
        "status": "completed", "period_from": 0, "period_to": request.requested_at_micros, "time_zone": "UTC",
        "file_name": "f.csv", "download_url": "https://example.com/downloads/secret/f.csv", "row_count": 11,
        "expires_at": (at_ms + 1000) * 1000, "size_bytes": 91, "sha256": "ab", "data_complete_until": None,
        "error_code": None, "error_message": None, "notified_at": at_ms * 1000,
    }  # fmt: skip
    return everything | fields


class World:
    """A storage, a log with unread requests, and as many workers as one asks."""

    def __init__(self, storage: ExportStorage) -> None:
        self.storage = storage
        self.records = ExportRecords(storage)
        self.unread: list[ExportRequest | BadRequest] = []
        self.progress = Progress(ExporterMetrics(CollectorRegistry()))

    def status(self, account_id: str = "acme", now_ms: int = NOW_MS + 20, **sources: Any) -> dict[str, Any]:
        raw = [RawRequest(RequestPosition(LOG, 3, number), NOW_MS, None, None) for number in range(len(self.unread))]
        everything: dict[str, Any] = {
            "records": self.records,
            "unread": lambda _: raw,
            "parse": lambda each: self.unread[each.position.offset],
            "progress": self.progress,
            "requests_log_id": LOG,
            "account_partitions": 12,
        }
        return export_status(StatusSources(**everything | sources), account_id, now_ms * 1000)

    def end(self, request: ExportRequest, requests_end_offset: int | None = None, **fields: Any) -> None:
        end = request.position.offset + 1 if requests_end_offset is None else requests_end_offset
        self.records.accept(accepted(request))
        self.records.conclude(accepted(request), Outcome(ended(request, **fields), end))


@pytest.fixture(params=["memory", "file"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(ExportStorage.open("memory:///" if request.param == "memory" else f"file://{tmp_path}"))


def test_an_account_that_never_asked_has_none(world: World) -> None:
    world.end(asked("1", 5, account_id="other"))
    status = world.status()
    assert status.pop("state") == "none"
    assert status.pop("account_id") == "acme"
    assert set(status.values()) == {None}


def test_a_request_that_nobody_has_read_yet_is_waiting(world: World) -> None:
    world.unread = [BadRequest(Reason.INVALID_EVENT, "no"), asked("0", 4, account_id="other"), asked("1", 5)]
    status = world.status()
    assert (status["state"], status["export_id"], status["time_zone"]) == ("waiting", "1", "UTC")
    assert status["requested_at"].endswith("Z")


def test_accepted_and_not_ended_is_running_on_every_worker_and_rows_are_known_to_one(world: World) -> None:
    export = accepted(asked("1", 5))
    world.records.accept(export)
    world.unread = [asked("1", 5), asked("2", 6)]
    with world.progress.followed(export):
        list(world.progress.attempt(export, 9_000).blocks([pl.DataFrame({"a": range(4_000)})]))
        assert (world.status()["state"], world.status()["rows_written"]) == ("running", 4_000)
        elsewhere = world.status(progress=Progress(ExporterMetrics(CollectorRegistry())))
        assert (elsewhere["state"], elsewhere["rows_written"]) == ("running", None)
    assert world.status()["rows_written"] is None


def test_ended_is_told_as_its_notification_tells_it(world: World) -> None:
    world.end(asked("1", 5))
    status = world.status()
    assert (status["state"], status["row_count"], status["size_bytes"]) == ("completed", 11, 91)
    assert status["download_url"] == "https://example.com/downloads/secret/f.csv"
    assert status["period_from"] == "1970-01-01T00:00:00.000000Z"
    assert "notification_id" not in status
    world.end(asked("2", 6), status="failed", error_code="x", error_message="Sorry.", download_url=None)
    assert (world.status()["state"], world.status()["error_message"]) == ("failed", "Sorry.")


def test_a_link_that_has_expired_is_no_link(world: World) -> None:
    world.end(asked("1", 5))
    status = world.status(now_ms=NOW_MS + 10 + 1000)
    assert (status["state"], status["download_url"]) == ("completed", None)
    assert status["expires_at"] is not None


def test_a_repeat_that_is_not_acknowledged_yet_is_not_waiting(world: World) -> None:
    world.end(asked("1", 5), requests_end_offset=7)
    world.unread = [asked("1", 5), asked("2", 6)]
    assert world.status()["state"] == "completed"
    world.unread.append(asked("3", 7, sent_at_ms=NOW_MS - 10**7))
    assert (world.status()["state"], world.status()["export_id"]) == ("waiting", "3")


def test_what_was_decided_on_is_not_waiting_though_another_accounts_export_holds_its_acknowledgement_up(
    world: World,
) -> None:
    world.end(asked("1", 5), requests_end_offset=7)
    world.end(asked("3", 7))
    world.unread = [asked("other", 4, account_id="other"), asked("1", 5), asked("2", 6), asked("3", 7)]
    assert (world.status()["state"], world.status()["export_id"]) == ("completed", "3")


def test_the_last_export_of_a_log_that_is_gone_is_told_until_there_is_one_of_this(world: World) -> None:
    world.end(asked("1", 5, log_id="a log of yesterday"))
    assert world.status()["export_id"] == "1"
    world.unread = [asked("2", 0)]
    assert world.status()["state"] == "waiting"
    world.end(asked("2", 0))
    assert (world.status()["state"], world.status()["export_id"]) == ("completed", "2")


def test_an_export_whose_log_is_gone_is_not_running_for_ever(world: World) -> None:
    world.records.accept(accepted(asked("1", 5, log_id="a log of yesterday")))
    status = world.status()
    assert (status["state"], status["error_code"]) == ("failed", "interrupted")


def test_the_last_export_is_the_one_that_lies_last_in_the_log(world: World) -> None:
    for number in (7, 9, 8, 6):
        world.end(asked(str(number), number))
    newest = world.records.newest("acme", LOG, account_partition("acme", 12))
    assert newest is not None
    assert newest.request.request_id == "9"


def test_of_thousands_of_exports_a_few_records_are_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        world.records.accept(accepted(asked(str(number), number)))
    read: list[str] = []
    original = world.storage.read_record
    monkeypatch.setattr(world.storage, "read_record", lambda key: (read.append(key), original(key))[1])
    assert world.status()["state"] == "running"
    assert len(read) == 2


@pytest.mark.parametrize("account_id", ["../b", "a%2F", "b/../acme", "acme ", "ACME", "acm", "😀" * 128, "a\0b"])
def test_one_account_never_sees_another_ones(world: World, account_id: str) -> None:
    world.end(asked("1", 5))
    world.unread = [asked("2", 6)]
    assert world.status(account_id)["state"] == "none"
    world.end(asked("3", 7, account_id=account_id))
    assert (world.status(account_id)["export_id"], world.status(account_id)["account_id"]) == ("3", account_id)


def test_an_outage_of_kafka_is_no_answer(world: World) -> None:
    def away(_: int) -> list[RawRequest]:
        raise KafkaUnavailableError("no answer")

    with pytest.raises(KafkaUnavailableError):
        world.status(unread=away)
