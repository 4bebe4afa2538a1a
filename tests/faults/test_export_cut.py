"""The stream from ClickHouse ends in the middle of an export: no partial file is ever there, and a retry has the same bytes."""

import asyncio
import hashlib
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from prometheus_client import CollectorRegistry

from exporter.file.making import FileMaker, MadeFile
from exporter.file.slots import Slots
from exporter.metrics import ExporterMetrics
from exporter.request.file_options import FileOptions
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest
from sinks.read.slice import MovementsUnavailableError
from tests.faults.conftest import port_of
from tests.faults.proxy import Fault, Proxy
from tests.integration.exporter.exporter_stack import Stack, exporter_stack
from tests.integration.sink.test_movements import FROM, insert_many
from tests.unit.exporter.office import at_once

ROWS = 200_000
PERIOD = Period(FROM, FROM + 10_000_000, "UTC")
# Of the question for the rows, as against those for their number and sums.
SELECT = b"interaction_id"


class Exports:
    """Makes the file of one request as often as it is asked to, from a ClickHouse behind the proxy."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.folder = folder
        storage = ExportStorage.open(folder.as_uri())
        self._maker = FileMaker(
            storage, partial(clickhouse_connect.get_client, dsn=dsn), at_once(ROWS),
            slots=Slots(4), metrics=ExporterMetrics(CollectorRegistry()), time_limit_seconds=60.0, provider="Example Telecom",
        )  # fmt: skip
        position = RequestPosition("log", 0, 0)
        request = ExportRequest(str(uuid.uuid4()), "acme", PERIOD.to_micros, None, None, position, 0)
        self._accepted = AcceptedRequest(request, PERIOD, "log", ROWS)

    def make(self, within_seconds: float = 30.0) -> MadeFile:
        return asyncio.run(self._maker.make(self._accepted, PERIOD, FileOptions(), ROWS, within_seconds))

    def files(self) -> list[bytes]:
        """The CSV and its manifest."""
        return [path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()]


@pytest.fixture
def exports(client: Client, dsn: str, clickhouse_proxy: Proxy, tmp_path: Path) -> Exports:
    insert_many(client, ROWS)
    return Exports(dsn.replace(f":{port_of(dsn)}/", f":{clickhouse_proxy.port}/"), tmp_path / "storage")


@pytest.mark.parametrize("fault", [Fault.REPLY_CUT, Fault.REPLY_HALF_CLOSED])
# Nothing, a piece of the first block, whole blocks and a piece of the next one.
@pytest.mark.parametrize("after_bytes", [0, 300, 2_000_000, 6_000_000, 11_000_000])
def test_a_cut_stream_leaves_no_file(exports: Exports, clickhouse_proxy: Proxy, fault: Fault, after_bytes: int) -> None:
    strike = clickhouse_proxy.strike(SELECT, fault, times=10**9, after_bytes=after_bytes)
    with pytest.raises(MovementsUnavailableError):
        exports.make(within_seconds=0.0)
    assert strike.struck > 0
    assert exports.files() == []


def test_the_retry_yields_the_bytes_of_an_export_that_nothing_disturbed(
    exports: Exports, clickhouse_proxy: Proxy
) -> None:
    undisturbed = exports.make()
    expected = exports.files()
    for path in exports.folder.rglob("*.*"):
        path.unlink()
    strike = clickhouse_proxy.strike(SELECT, Fault.REPLY_CUT, times=2, after_bytes=9_000_000)
    assert exports.make() == undisturbed
    assert exports.files() == expected
    assert strike.struck == 2
    assert (undisturbed.row_count, undisturbed.file.sha256) == (
        ROWS,
        hashlib.sha256(max(expected, key=len)).hexdigest(),
    )


@pytest.fixture
def stack(clickhouse: str, registry: str, tmp_path: Path) -> Iterator[Stack]:
    with exporter_stack(clickhouse, registry, tmp_path) as stack:
        yield stack


def test_a_customer_is_told_of_the_whole_file_alone(stack: Stack) -> None:
    stack.movements("acme", [{"interaction_id": f"call-{number:06}"} for number in range(40_000)])
    proxy = Proxy(port_of(stack.clickhouse))
    strike = proxy.strike(SELECT, Fault.REPLY_CUT, times=2, after_bytes=500_000)
    behind = stack.clickhouse.replace(f":{port_of(stack.clickhouse)}/", f":{proxy.port}/")
    with stack.exporter(clickhouse=behind):
        told = stack.wait_for_notification(stack.ask("acme"), 30)
        status, _, body = stack.download(told)
        assert stack.notified("acme") == [told]
    proxy.close()
    assert strike.struck == 2
    assert (status, told["status"], told["row_count"]) == (200, "completed", 40_000)
    assert (len(body), hashlib.sha256(body).hexdigest()) == (told["size_bytes"], told["sha256"])
    assert len(set(body.splitlines())) == 40_001
