"""Which requests get an export, as they come to the handler: decided by their positions in the log."""

import asyncio
from dataclasses import replace

import pytest

from exporter.request.requests import RequestPosition
from exporter.storage.records import AcceptedRequest
from tests.unit.exporter.office import NOW_MS, Office, asked, run


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
        assert office.records.accepted(asked("2", 6)) is None

    run(scenario)


@pytest.mark.parametrize("clock_ms", [-(10**10), -1, 0, 1, 10**10])
def test_positions_in_the_log_decide_whatever_the_clocks_say(clock_ms: int) -> None:
    async def scenario(office: Office) -> None:
        office.maker.may_go_on.clear()
        first = asyncio.create_task(office.handle(asked("1", 5, sent_at_ms=NOW_MS + clock_ms)))
        second = asyncio.create_task(office.handle(asked("2", 6, sent_at_ms=NOW_MS + clock_ms)))
        await asyncio.sleep(0.05)
        office.maker.may_go_on.set()
        await asyncio.gather(first, second)
        await office.handle(asked("3", 7, sent_at_ms=NOW_MS + clock_ms))
        assert [each["export_id"] for each in office.post.notifications] == ["1", "3"]

    run(scenario)


def test_what_lay_in_the_log_unread_when_an_export_ended_is_a_repeat_and_what_came_behind_is_not() -> None:
    async def scenario(office: Office) -> None:
        office.requests_end = 8
        await office.handle(asked("1", 5))
        await office.handle(asked("2", 6))
        await office.handle(asked("3", 7))
        await office.handle(asked("4", 8))
        assert [each["export_id"] for each in office.post.notifications] == ["1", "4"]
        headers = dict(office.post.sent[0].headers)
        assert headers.pop("export.answered.below") == b"8"
        assert list(headers) == ["export.asked.sha256"]

    run(scenario)


def test_the_log_read_again_gives_the_same_exports_wherever_it_ends_by_then() -> None:
    async def scenario(office: Office) -> None:
        await office.handle(asked("1", 5))
        await office.handle(asked("2", 6))
        successor = Office(office.storage)
        successor.requests_end = 99
        for number in (5, 6):
            await successor.handle(asked(str(number - 4), number))
        assert successor.post.notifications == office.post.notifications
        assert [each.headers for each in successor.post.sent] == [each.headers for each in office.post.sent]
        assert [each["export_id"] for each in office.post.notifications] == ["1", "2"]

    run(scenario)


def test_a_log_that_begins_anew_begins_with_a_new_export() -> None:
    async def scenario(office: Office) -> None:
        office.requests_end = 100
        await office.handle(asked("1", 5))
        anew = replace(asked("2", 6), position=RequestPosition("another log", 3, 6))
        await office.handle(anew)
        assert [each["export_id"] for each in office.post.notifications] == ["1", "2"]

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
        office.records.accept(AcceptedRequest(asked("lost", 3), None, "movements", None))
        await office.handle(asked("1", 5))
        assert [each["export_id"] for each in office.post.notifications] == ["1"]

    run(scenario)
