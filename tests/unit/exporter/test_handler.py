"""One request from its decision to its notification: with a real ledger, and hands that can be held or fail."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from exporter.acceptance import Acceptance
from exporter.conclusion import Conclusion
from exporter.export import ExportTooLongError, FileMaker, MadeFile
from exporter.handler import RequestHandler
from exporter.ledger import AcceptedRequest, RequestLedger
from exporter.links import LinkSigner
from exporter.metrics import ExporterMetrics
from exporter.publisher import KafkaUnavailableError, Outgoing, Publisher
from exporter.requests import ExportRequest, LogPlace
from exporter.storage import ExportStorage, StorageUnavailableError
from exporter.window import Period
from schemas.codec import RecordCodec
from schemas.topics import EXPORT_NOTIFICATIONS
from sinks.reader import MovementsUnavailableError

NOW_MS = time.time_ns() // 1_000_000


class Codec:
    """Notifications as they are."""

    def encode_one(self, record: dict[str, Any]) -> dict[str, Any]:
        return record


class Post:
    """Keeps what was published; `outages` first attempts fail."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.outages = 0

    @property
    def notifications(self) -> list[dict[str, Any]]:
        return [cast(dict[str, Any], each.value) for each in self.sent]

    def publish(self, record: Outgoing) -> None:
        if self.outages:
            self.outages -= 1
            raise KafkaUnavailableError("no acknowledgement")
        self.sent.append(record)


class Maker:
    """Makes files when it is let."""

    def __init__(self, storage: ExportStorage) -> None:
        self._storage = storage
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.making = 0
        self.most_at_once = 0
        self.error: Exception | None = None

    async def make(self, accepted: AcceptedRequest, period: Period, log_end_offset: int, _: float) -> MadeFile:
        self.making += 1
        self.most_at_once = max(self.most_at_once, self.making)
        try:
            await self.may_go_on.wait()
            await asyncio.sleep(0.01)
            if self.error is not None:
                raise self.error
            return MadeFile(self._storage.put_stream(accepted.keys.file, [b"x"]), period.file_name, log_end_offset)
        finally:
            self.making -= 1


def never(_: int) -> int:
    raise AssertionError("nobody asks")


class Office:
    """A handler and all that it works with. Several may share a storage, as workers do."""

    def __init__(self, storage: ExportStorage, log_end: Callable[[int], int] = lambda _: 11) -> None:
        self.storage = storage
        self.ledger = RequestLedger(storage)
        self.post = Post()
        self.maker = Maker(storage)
        self.now_ms = NOW_MS
        self.metrics = CollectorRegistry()
        conclusion = Conclusion(
            self.ledger,
            cast(Publisher, self.post),
            cast(RecordCodec, Codec()),
            LinkSigner(b"x" * 32),
            account_partitions=12,
            public_url="https://example.com/",
            link_ttl=timedelta(days=7),
            outage_limit_seconds=0.3,
        )
        self.handler = RequestHandler(
            Acceptance(self.ledger, log_end, outage_limit_seconds=0.3),
            cast(FileMaker, self.maker),
            conclusion,
            ExporterMetrics(self.metrics),
            lambda: self.now_ms * 1000,
            outage_limit_seconds=0.3,
        )

    async def handle(self, *requests: ExportRequest) -> None:
        await asyncio.gather(*(self.handler.handle(request) for request in requests))

    def count(self, name: str, **labels: str) -> float | None:
        return self.metrics.get_sample_value(name, labels)


def asked(
    request_id: str, offset: int, *, account_id: str = "acme", sent_at_ms: int = NOW_MS, **fields: Any
) -> ExportRequest:
    everything = {"requested_at_micros": sent_at_ms * 1000, "time_zone": None, "requested_by": "user-1"} | fields
    return ExportRequest(
        request_id=request_id,
        account_id=account_id,
        place=LogPlace("log", 3, offset),
        sent_at_ms=sent_at_ms,
        **everything,
    )


def run(scenario: Callable[[Office], Awaitable[None]]) -> None:
    async def with_office() -> None:
        await asyncio.wait_for(scenario(Office(ExportStorage.open("memory:///"))), 20)

    asyncio.run(with_office())


def test_an_export_ends_with_one_notification_in_the_requests_partition_at_its_own_time() -> None:
    async def scenario(office: Office) -> None:
        await office.handle(asked("1", 5))
        [sent] = office.post.sent
        [notification] = office.post.notifications
        assert (sent.topic, sent.partition, sent.key) == (EXPORT_NOTIFICATIONS.name, 3, b"acme")
        assert sent.timestamp_ms * 1000 == notification["notified_at"] == NOW_MS * 1000
        assert (notification["status"], notification["row_count"], notification["export_id"]) == ("completed", 11, "1")
        assert notification["download_url"].startswith("https://example.com/downloads/")
        assert notification["expires_at"] == (NOW_MS + 7 * 24 * 3600 * 1000) * 1000
        assert office.count("credit_exports_total", outcome="completed") == 1
        assert office.count("credit_export_rows_total") == 11

    run(scenario)


def test_requests_while_one_is_running_are_repeats() -> None:
    async def scenario(office: Office) -> None:
        office.maker.may_go_on.clear()
        first = asyncio.create_task(office.handle(asked("1", 5)))
        others = asyncio.create_task(office.handle(asked("2", 6), asked("3", 7)))
        await asyncio.sleep(0.1)
        assert not others.done()
        office.maker.may_go_on.set()
        await asyncio.gather(first, others)
        assert [each["export_id"] for each in office.post.notifications] == ["1"]
        assert office.count("credit_export_repeats_total") == 2
        assert office.ledger.accepted(asked("2", 6)) is None

    run(scenario)


def test_a_request_that_came_while_one_was_running_is_answered_by_it_though_our_clock_is_late() -> None:
    async def scenario(office: Office) -> None:
        office.maker.may_go_on.clear()
        first = asyncio.create_task(office.handle(asked("1", 5)))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(office.handle(asked("2", 6, sent_at_ms=NOW_MS + 20_000)))
        await asyncio.sleep(0.05)
        office.maker.may_go_on.set()
        await asyncio.gather(first, second)
        [notification] = office.post.notifications
        assert notification["notified_at"] == (NOW_MS + 20_000) * 1000

    run(scenario)


def test_a_clock_that_is_far_ahead_does_not_lock_an_account() -> None:
    async def scenario(office: Office) -> None:
        office.maker.may_go_on.clear()
        first = asyncio.create_task(office.handle(asked("1", 5)))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(office.handle(asked("2", 6, sent_at_ms=NOW_MS + 10**10)))
        await asyncio.sleep(0.05)
        office.maker.may_go_on.set()
        await asyncio.gather(first, second)
        assert [each["export_id"] for each in office.post.notifications] == ["1", "2"]
        assert office.post.notifications[1]["notified_at"] <= (NOW_MS + 60_000) * 1000

    run(scenario)


def test_after_the_end_kafkas_timestamps_decide() -> None:
    async def scenario(office: Office) -> None:
        await office.handle(asked("1", 5))
        await office.handle(asked("2", 6, sent_at_ms=NOW_MS))
        office.now_ms += 5
        await office.handle(asked("3", 7, sent_at_ms=NOW_MS + 1))
        assert [each["export_id"] for each in office.post.notifications] == ["1", "3"]

    run(scenario)


def test_a_failure_frees_the_account_too() -> None:
    async def scenario(office: Office) -> None:
        office.maker.error = MovementsUnavailableError("10.0.0.1: connection refused")
        await office.handle(asked("1", 5))
        [failure] = office.post.notifications
        assert (failure["status"], failure["error_code"]) == ("failed", "temporarily_unavailable")
        assert "10.0.0.1" not in failure["error_message"]
        assert failure["period_to"] == NOW_MS * 1000
        office.maker.error = None
        await office.handle(asked("2", 6, sent_at_ms=NOW_MS + 1))
        assert office.post.notifications[1]["status"] == "completed"
        assert office.count("credit_exports_total", outcome="failed") == 1

    run(scenario)


def test_an_unknown_time_zone_fails_without_kafka_or_clickhouse() -> None:
    async def scenario() -> None:
        office = Office(ExportStorage.open("memory:///"), log_end=never)
        await office.handle(asked("1", 5, time_zone="Mars/" + "x" * 60_000))
        [failure] = office.post.notifications
        assert failure["error_code"] == "unknown_time_zone"
        assert (failure["period_from"], failure["period_to"]) == (None, None)
        assert len(failure["time_zone"]) == 128
        assert office.maker.most_at_once == 0

    asyncio.run(scenario())


def test_the_same_record_read_again_in_the_middle_goes_on_with_what_was_accepted() -> None:
    async def scenario(office: Office) -> None:
        office.maker.may_go_on.clear()
        first = asyncio.create_task(office.handle(asked("1", 5)))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert office.post.sent == []
        successor = Office(office.storage, log_end=lambda _: 99)
        await successor.handle(asked("1", 5))
        assert successor.post.notifications[0]["row_count"] == 11

    run(scenario)


def test_the_same_record_read_again_after_its_end_repeats_its_notification() -> None:
    async def scenario(office: Office) -> None:
        await office.handle(asked("1", 5))
        successor = Office(office.storage)
        successor.now_ms += 60_000
        await successor.handle(asked("1", 5))
        assert successor.post.notifications == office.post.notifications
        assert successor.maker.most_at_once == 0

    run(scenario)


def test_another_record_with_the_same_id_creates_nothing() -> None:
    async def scenario(office: Office) -> None:
        await office.handle(asked("1", 5))
        await office.handle(asked("1", 6, sent_at_ms=NOW_MS + 99))
        await office.handle(asked("1", 6, sent_at_ms=NOW_MS + 99, account_id="other"))
        assert [each["account_id"] for each in office.post.notifications] == ["acme", "other"]

    run(scenario)


def test_what_was_accepted_and_never_read_again_does_not_lock_its_account() -> None:
    async def scenario(office: Office) -> None:
        office.ledger.accept(AcceptedRequest(asked("lost", 3), None, None))
        await office.handle(asked("1", 5))
        assert [each["export_id"] for each in office.post.notifications] == ["1"]

    run(scenario)


def test_of_two_workers_on_the_same_request_the_quicker_ones_outcome_stands() -> None:
    async def scenario(office: Office) -> None:
        rival = Office(office.storage)
        rival.now_ms += 5_000
        office.maker.may_go_on.clear()
        slow = asyncio.create_task(office.handle(asked("1", 5)))
        await asyncio.sleep(0.1)
        await rival.handle(asked("1", 5))
        office.maker.may_go_on.set()
        await slow
        assert office.post.notifications == rival.post.notifications
        assert office.post.notifications[0]["notified_at"] == (NOW_MS + 5_000) * 1000

    run(scenario)


def test_exports_of_other_accounts_run_side_by_side_and_none_is_forgotten() -> None:
    async def scenario(office: Office) -> None:
        await office.handle(*(asked(str(number), number, account_id=f"account {number}") for number in range(9)))
        assert office.maker.most_at_once == 9
        assert len(office.post.sent) == 9


def test_an_export_that_takes_too_long_fails_and_frees_the_account() -> None:
    async def scenario(office: Office) -> None:
        office.maker.error = ExportTooLongError("it took an hour")
        await office.handle(asked("1", 5))
        office.maker.error = None
        await office.handle(asked("2", 6, sent_at_ms=NOW_MS + 1))
        assert [each["error_code"] for each in office.post.notifications] == ["took_too_long", None]

    run(scenario)


def test_a_notification_is_sent_until_it_is_acknowledged() -> None:
    async def scenario(office: Office) -> None:
        office.post.outages = 3
        await office.handle(asked("1", 5))
        assert len(office.post.sent) == 1

    run(scenario)


def test_kafka_out_of_reach_when_it_begins_makes_a_failure() -> None:
    def away(_: int) -> int:
        raise KafkaUnavailableError("no broker")

    async def scenario() -> None:
        office = Office(ExportStorage.open("memory:///"), log_end=away)
        await office.handle(asked("1", 5))
        assert office.post.notifications[0]["error_code"] == "temporarily_unavailable"

    asyncio.run(scenario())


def test_a_storage_that_is_away_makes_a_failure_in_time_and_its_records_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(office: Office) -> None:
        is_away = threading.Event()
        is_away.set()
        for name in ("create_record", "read_record"):
            monkeypatch.setattr(office.storage, name, unless(is_away, getattr(office.storage, name)))
        work = asyncio.create_task(office.handle(asked("1", 5)))
        while not office.post.sent:
            await asyncio.sleep(0.05)
        assert office.post.notifications[0]["status"] == "failed"
        assert not work.done()
        is_away.clear()
        await work
        accepted = office.ledger.accepted(asked("1", 5))
        assert accepted is not None
        assert office.ledger.outcome(accepted) == office.post.notifications[0]
        assert len(office.post.sent) == 1

    run(scenario)


def unless(is_away: threading.Event, function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any) -> Any:
        if is_away.is_set():
            raise StorageUnavailableError("away")
        return function(*args)

    return guarded
