"""One request from its admission to its notification, with real records."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from exporter.file.making import ExportTooLongError
from exporter.foreign_outages import KafkaUnavailableError
from exporter.storage.objects import ExportStorage, StorageUnavailableError
from schemas.topics import EXPORT_NOTIFICATIONS
from sinks.read.slice import MovementsUnavailableError
from tests.unit.exporter.office import NOW_MS, Office, asked, at_once, never, run


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


@pytest.mark.parametrize("error", [None, MovementsUnavailableError("away")])
def test_an_end_that_cannot_be_read_is_waited_for_as_long_as_it_takes(error: Exception | None) -> None:
    async def scenario(office: Office) -> None:
        office.maker.error = error
        office.kafka_is_away.set()
        work = asyncio.create_task(office.handle(asked("1", 5)))
        # Twice the limit for outages.
        await asyncio.sleep(0.6)
        assert not work.done()
        assert office.post.sent == []
        office.kafka_is_away.clear()
        await work
        assert [each["status"] for each in office.post.notifications] == ["completed" if error is None else "failed"]

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
        successor = Office(office.storage, log_end=at_once(99))
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
    async def away(_: int) -> int:
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
        accepted = office.records.accepted(asked("1", 5))
        assert accepted is not None
        outcome = office.records.outcome(accepted)
        assert outcome is not None
        assert outcome.notification == office.post.notifications[0]
        assert len(office.post.sent) == 1

    run(scenario)


def unless(is_away: threading.Event, function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any) -> Any:
        if is_away.is_set():
            raise StorageUnavailableError("away")
        return function(*args)

    return guarded
