"""Whether the exporter can work: ClickHouse, storage and Kafka. Each check really uses the server, and says what is wrong."""

import asyncio
from collections.abc import Callable, Mapping

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from exporter.positions.rounds import AskAll
from exporter.storage.objects import ExportStorage, StorageUnavailableError
from exporter.threads import in_thread
from kafka_io.errors import Outage

_CHECK_SECONDS = 3.0

ReadinessCheck = Callable[[], str | None]
"""Returns None if all is well, otherwise what is wrong, in words. It may block, and must not raise."""


class Readiness:
    """Asks all checks at once. A check that hangs is not asked again until it has answered."""

    def __init__(self, checks: Mapping[str, ReadinessCheck]) -> None:
        self._checks = checks
        self._asked: dict[str, asyncio.Task[str | None]] = {}

    async def reasons(self) -> dict[str, str]:
        """The failed checks: name → what is wrong."""
        for name, check in self._checks.items():
            if name not in self._asked:
                self._asked[name] = asyncio.create_task(in_thread(check))
        asked = dict(self._asked)
        await asyncio.wait(asked.values(), timeout=_CHECK_SECONDS)
        answers = {name: self._answer(name, task) for name, task in asked.items()}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def _answer(self, name: str, task: asyncio.Task[str | None]) -> str | None:
        if not task.done():
            return f"no answer within {_CHECK_SECONDS:g} s"
        self._asked.pop(name, None)
        return task.result()


def clickhouse_check(clickhouse: Callable[[], Client]) -> ReadinessCheck:
    def check() -> str | None:
        try:
            client = clickhouse()
            try:
                client.command("SELECT 1 FROM credit_movements LIMIT 1")
            finally:
                client.close()
        except (ClickHouseError, HTTPError, OSError) as error:
            return str(error).split("\n", 1)[0]
        return None

    return check


def storage_check(storage: ExportStorage) -> ReadinessCheck:
    def check() -> str | None:
        try:
            storage.check()
        except StorageUnavailableError as error:
            return str(error)
        return None

    return check


def kafka_check(sink_positions: AskAll[int], has_joined: Callable[[], bool]) -> ReadinessCheck:
    """`has_joined`: whether the consumer group has assigned our partitions. It may have none for us, which is well too."""

    def check() -> str | None:
        if not has_joined():
            return "the consumer group has not assigned partitions yet"
        try:
            sink_positions([0])
        except Outage as error:
            return str(error)
        return None

    return check
