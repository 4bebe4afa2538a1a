"""Many exports in one worker, from a real ClickHouse: none waits for ever, whoever else is at work."""

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import clickhouse_connect
import pytest
from obstore.store import LocalStore
from prometheus_client import CollectorRegistry

from exporter.file.making import ExportTooLongError, FileMaker, MadeFile
from exporter.file.slots import Slots
from exporter.metrics import ExporterMetrics
from exporter.request.file_options import FileOptions
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period
from exporter.storage.objects import ExportStorage, StoredFile
from exporter.storage.records import AcceptedRequest
from sinks.write.migrations import apply_migrations
from tests.integration.sink.test_movements import FROM, insert, movement
from tests.unit.exporter.office import at_once

PERIOD = Period(FROM, FROM + 10_000_000, "UTC")
LARGE_ROWS = 10
DEADLINE_SECONDS = 60


class HoldingStorage(ExportStorage):
    """Large files are not written on before `released`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(LocalStore(folder))
        self.released = threading.Event()
        self.held = 0

    def put_stream(self, key: str, chunks: Iterable[bytes], headers: dict[str, str] | None = None) -> StoredFile:
        return super().put_stream(key, self._slowly(key, chunks), headers)

    def _slowly(self, key: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if key.endswith(".csv") and chunk.count(b"\n") > LARGE_ROWS:
                self.held += 1
                assert self.released.wait(DEADLINE_SECONDS)
            yield chunk


class Exports:
    def __init__(self, dsn: str, folder: Path, slots: int, time_limit_seconds: float = DEADLINE_SECONDS) -> None:
        self.folder = folder
        self.storage = HoldingStorage(folder)
        self._metrics = CollectorRegistry()
        connect = partial(clickhouse_connect.get_client, dsn=dsn, autogenerate_session_id=False)
        self._maker = FileMaker(
            self.storage, connect, at_once(10**6),
            slots=Slots(slots, LARGE_ROWS), metrics=ExporterMetrics(self._metrics), time_limit_seconds=time_limit_seconds,
            provider="Example Telecom",
        )  # fmt: skip

    def make(self, account_id: str) -> "asyncio.Task[MadeFile]":
        request = ExportRequest(
            str(uuid.uuid4()), account_id, PERIOD.to_micros, None, None, RequestPosition("log", 0, 0), 0
        )
        return asyncio.create_task(
            self._maker.make(AcceptedRequest(request, PERIOD, "log", 10**6), PERIOD, FileOptions(), 10**6, 0.0)
        )

    def in_phase(self, phase: str) -> float | None:
        return self._metrics.get_sample_value("credit_exports_in_phase", {"phase": phase})

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and path.suffix == ".csv"]


@pytest.fixture
def dsn(database: str) -> str:
    """With the movements of an account that counts as large and of one that does not."""
    apply_migrations(database)
    with clickhouse_connect.get_client(dsn=database) as client:
        insert(client, [movement(account_id="giant") for _ in range(LARGE_ROWS + 1)])
        insert(client, [movement(account_id="small") for _ in range(LARGE_ROWS)])
    return database


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await scenario()

    asyncio.run(within_the_deadline())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_small_exports_end_while_more_large_ones_than_there_are_slots_are_at_work(dsn: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        exports = Exports(dsn, tmp_path, slots=3)
        giants = [exports.make("giant") for _ in range(5)]
        await until(lambda: exports.storage.held == 2 and exports.in_phase("slot") == 3)
        made = await asyncio.gather(*(exports.make("small") for _ in range(7)))
        assert [each.row_count for each in made] == [LARGE_ROWS] * 7
        assert not any(giant.done() for giant in giants)
        assert (exports.storage.held, exports.in_phase("write"), exports.in_phase("slot")) == (2, 2, 3)
        exports.storage.released.set()
        assert [each.row_count for each in await asyncio.gather(*giants)] == [LARGE_ROWS + 1] * 5
        assert len(exports.files()) == 12
        assert (exports.in_phase("write"), exports.in_phase("slot")) == (0, 0)

    run(scenario)


def test_with_one_slot_all_get_their_turn(dsn: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        exports = Exports(dsn, tmp_path, slots=1)
        works = [exports.make(account) for account in ("giant", "small", "giant", "small")]
        exports.storage.released.set()
        assert len(await asyncio.gather(*works)) == 4

    run(scenario)


def test_an_export_beyond_its_time_limit_fails_without_a_file_and_leaves_its_slot(dsn: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        exports = Exports(dsn, tmp_path, slots=2, time_limit_seconds=1.0)
        with pytest.raises(ExportTooLongError, match="11 rows took longer than 1 s"):
            await exports.make("giant")
        assert exports.storage.held == 1
        assert exports.in_phase("write") == 0
        exports.storage.released.set()
        # The one that was given up ends by itself, and what it had written goes with it.
        await until(lambda: threading.active_count() == before)
        assert exports.files() == []
        assert (await exports.make("giant")).row_count == LARGE_ROWS + 1
        assert len(exports.files()) == 1

    before = threading.active_count()
    run(scenario)


def test_an_export_that_nobody_waits_for_any_more_leaves_no_file(dsn: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        exports = Exports(dsn, tmp_path, slots=2)
        giant = exports.make("giant")
        await until(lambda: exports.storage.held == 1)
        giant.cancel()
        await asyncio.gather(giant, return_exceptions=True)
        exports.storage.released.set()
        await until(lambda: threading.active_count() == before)
        assert exports.files() == []
        assert exports.in_phase("write") == 0

    before = threading.active_count()
    run(scenario)
