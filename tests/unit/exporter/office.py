"""A request handler with real records, and a maker and a publisher that a test can hold or let fail."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry

from exporter.admission.admission import Admission
from exporter.file.making import FileMaker, MadeFile
from exporter.foreign_outages import KafkaUnavailableError
from exporter.handler import RequestHandler
from exporter.metrics import ExporterMetrics
from exporter.notify.conclusion import Conclusion
from exporter.notify.publisher import Outgoing, Publisher
from exporter.request.file_options import FileOptions
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period
from exporter.storage.links import LinkSigner
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest, ExportRecords
from schemas.codec import RecordCodec

T = TypeVar("T")
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

    async def make(
        self, accepted: AcceptedRequest, period: Period, options: FileOptions, log_end_offset: int, _: float
    ) -> MadeFile:
        self.making += 1
        self.most_at_once = max(self.most_at_once, self.making)
        try:
            await self.may_go_on.wait()
            await asyncio.sleep(0.01)
            if self.error is not None:
                raise self.error
            name = options.file_name(period.file_stem)
            return MadeFile(self._storage.put_stream(accepted.keys.file, [b"x"]), name, log_end_offset)
        finally:
            self.making -= 1


def at_once(answer: T) -> Callable[[int], Awaitable[T]]:
    """The same answer to every question."""

    async def answered(_: int) -> T:
        return answer

    return answered


_EMPTY_LOG = at_once(11)


async def never(_: int) -> int:
    raise AssertionError("nobody asks")


class Office:
    """A handler and all that it works with. Several may share a storage, as workers do."""

    def __init__(self, storage: ExportStorage, log_end: Callable[[int], Awaitable[int]] = _EMPTY_LOG) -> None:
        self.storage = storage
        self.records = ExportRecords(storage)
        self.post = Post()
        self.maker = Maker(storage)
        self.now_ms = NOW_MS
        self.requests_end = 0
        self.kafka_is_away = threading.Event()
        self.metrics = CollectorRegistry()
        conclusion = Conclusion(
            self.records,
            cast(Publisher, self.post),
            cast(RecordCodec, Codec()),
            LinkSigner(b"x" * 32),
            self._requests_end,
            lambda: self.now_ms * 1000,
            account_partitions=12,
            public_url="https://example.com/",
            link_ttl=timedelta(days=7),
            outage_limit_seconds=0.3,
        )
        self.handler = RequestHandler(
            Admission(self.records, "movements", log_end, at_once(None), outage_limit_seconds=0.3),
            cast(FileMaker, self.maker),
            conclusion,
            ExporterMetrics(self.metrics),
            outage_limit_seconds=0.3,
        )

    async def handle(self, *requests: ExportRequest) -> None:
        """They lie in the log by now, and nothing behind them."""
        self.requests_end = max(self.requests_end, *(each.position.offset + 1 for each in requests))
        await asyncio.gather(*(self.handler.handle(request) for request in requests))

    async def _requests_end(self, _: int) -> int:
        if self.kafka_is_away.is_set():
            raise KafkaUnavailableError("no broker")
        return self.requests_end

    def count(self, name: str, **labels: str) -> float | None:
        return self.metrics.get_sample_value(name, labels)


def asked(
    request_id: str, offset: int, *, account_id: str = "acme", sent_at_ms: int = NOW_MS, **fields: Any
) -> ExportRequest:
    everything = {"requested_at_micros": sent_at_ms * 1000, "time_zone": None, "requested_by": "user-1"} | fields
    return ExportRequest(
        request_id=request_id,
        account_id=account_id,
        position=RequestPosition("log", 3, offset),
        sent_at_ms=sent_at_ms,
        **everything,
    )


def run(scenario: Callable[[Office], Awaitable[None]]) -> None:
    async def with_office() -> None:
        await asyncio.wait_for(scenario(Office(ExportStorage.open("memory:///"))), 20)

    asyncio.run(with_office())
