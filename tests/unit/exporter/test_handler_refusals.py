"""What becomes of a request that is not in order, and of others of its account."""

import asyncio

from schemas.partitioner import account_partition
from tests.unit.exporter.test_handler import NOW_MS, Office, asked, run


def test_a_refused_request_is_told_the_same_whenever_it_is_read_and_in_its_accounts_partition() -> None:
    async def scenario(office: Office) -> None:
        await office.handler.refuse(asked("1", 5))
        successor = Office(office.storage)
        successor.now_ms += 60_000
        await successor.handler.refuse(asked("1", 5))
        [refusal] = office.post.notifications
        assert successor.post.notifications == [refusal]
        assert (refusal["status"], refusal["error_code"]) == ("failed", "invalid_request")
        assert (refusal["export_id"], refusal["account_id"], refusal["requested_by"]) == ("1", "acme", "user-1")
        assert refusal["notified_at"] == NOW_MS * 1000
        assert office.post.sent[0].partition == account_partition("acme", 12) != asked("1", 5).position.partition
        assert list(office.storage.list_objects("requests")) == []

    run(scenario)


def test_a_refused_request_does_not_hold_up_its_account() -> None:
    async def scenario(office: Office) -> None:
        await office.handler.refuse(asked("1", 5))
        await office.handle(asked("2", 6, sent_at_ms=NOW_MS))
        assert [each["status"] for each in office.post.notifications] == ["failed", "completed"]

    run(scenario)


def test_a_refused_request_that_comes_again_in_order_gets_its_export_and_a_notification_that_nobody_drops() -> None:
    async def scenario(office: Office) -> None:
        await office.handler.refuse(asked("1", 5))
        await office.handle(asked("1", 6))
        assert [each["status"] for each in office.post.notifications] == ["failed", "completed"]
        assert len({each["notification_id"] for each in office.post.notifications}) == 2

    run(scenario)


def test_an_accepted_request_that_comes_again_out_of_order_does_not_fail_its_export() -> None:
    async def scenario(office: Office) -> None:
        office.maker.may_go_on.clear()
        work = asyncio.create_task(office.handle(asked("1", 5)))
        await asyncio.sleep(0.05)
        refusal = asyncio.create_task(office.handler.refuse(asked("1", 6)))
        await asyncio.sleep(0.1)
        office.maker.may_go_on.set()
        await asyncio.gather(work, refusal)
        await office.handler.refuse(asked("1", 7))
        assert [each["status"] for each in office.post.notifications] == ["completed"]

    run(scenario)
