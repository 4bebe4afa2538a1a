"""The exporter as a Faust app: an agent on `export-requests`, a timer, and web pages.

What Faust 0.15 really does, and what follows from it here:

- An agent's event is acknowledged when the loop goes on, even by an exception. So the stream is `noack()`, and acknowledged by
  hand, in the order of the log (see `in_order`), when the notification is acknowledged.
- At a rebalance and at its stop it waits for events in hand, which would take as long as an export. `stream_wait_empty=False`
  turns that off; what was not acknowledged is read again.
- Settings from environment variables without a prefix (`WEB_PORT`, `BROKER_URL`, ...) win over those given in code, so it gets
  an empty environment.
- Its own producer is not started: a notification wants an exact timestamp and a clear answer, see `publisher`.
- Its own pages are left out: its `/` says OK whatever is the case.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.web.base import BlueprintManager
from faust.web.drivers.aiohttp import Web
from mode import Service, ServiceT

from exporter.acceptance import Acceptance
from exporter.conclusion import Conclusion
from exporter.downloads import DownloadPage
from exporter.export import FileMaker
from exporter.handler import RequestHandler
from exporter.intake import Intake
from exporter.ledger import RequestLedger
from exporter.links import LinkSigner
from exporter.metrics import ExporterMetrics
from exporter.outages import waited_out
from exporter.pages import add_pages
from exporter.publisher import Publisher
from exporter.readiness import clickhouse_check, kafka_check, storage_check
from exporter.settings import ExporterParts, ExporterSettings
from exporter.storage import StorageUnavailableError
from exporter.threads import in_thread
from exporter.worker import FaustEvent, Worker
from schemas.codec import RecordCodec
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS

logger = logging.getLogger(__name__)

# Every service of Faust tells of its start and stop; we say once what matters of it.
_faust_logger = logging.getLogger("faust")

GROUP_ID = "exporter"
_COMMIT_EVERY_SECONDS = 0.5
# Longer than any export may take: Faust calls it an error when the same event is in hand for as long.
_LONG_SECONDS = timedelta(days=1).total_seconds()


class _WaitForKafka(Service):
    logger = _faust_logger

    def __init__(self, log_end_offset: Callable[[int], int]) -> None:
        super().__init__()
        self._log_end_offset = log_end_offset

    async def on_start(self) -> None:
        await waited_out(lambda: in_thread(self._log_end_offset, 0), "Kafka does not answer")


class _PatientBoot(BootStrategy):
    """Starts the web pages first, then waits for Kafka, then joins the consumer group."""

    enable_kafka_producer = False

    def kafka_consumer(self) -> Iterable[ServiceT]:
        assert isinstance(self.app, ExporterApp)
        return [self.app.wait_for_kafka, *super().kafka_consumer()]


class ExporterApp(faust.App):
    """Made by `build_app`."""

    logger = _faust_logger
    BootStrategy = _PatientBoot
    worker: Worker
    wait_for_kafka: _WaitForKafka
    has_joined = False

    async def on_first_start(self) -> None:
        """No tables, so no folders for them."""


def build_app(settings: ExporterSettings, parts: ExporterParts) -> ExporterApp:
    """The app, to be started in the running event loop."""
    app = ExporterApp(GROUP_ID, **_faust_settings(settings))
    app.wait_for_kafka = _WaitForKafka(parts.log_end_offset)
    metrics = ExporterMetrics(parts.metrics)
    ledger = RequestLedger(parts.storage)
    links = LinkSigner(parts.link_secret)
    app.worker = _worker(app, settings, parts, metrics, ledger, links)
    checks = {
        "kafka": kafka_check(parts.log_end_offset, lambda: app.has_joined),
        "clickhouse": clickhouse_check(parts.clickhouse),
        "storage": storage_check(parts.storage),
        **parts.checks,
    }
    assert isinstance(app.web, Web)
    app.web.blueprints = BlueprintManager([])
    add_pages(app.web.web_app, DownloadPage(parts.storage, links, parts.now_micros), checks, parts.metrics)
    _add_agent(app)
    _add_expiry(app, settings, parts, metrics, ledger)
    _follow_assignments(app)
    return app


def run(settings: ExporterSettings, parts: ExporterParts) -> int:
    """Run until SIGTERM or SIGINT (0), or until a bug or a crash of Faust (1). Gives the status to exit with.

    Exports in the middle are left un-acknowledged, and resumed by the next start.
    """
    for library in ("faust", "mode", "aiokafka"):
        logging.getLogger(library).setLevel(logging.WARNING)
    return asyncio.run(_serve(settings, parts))


async def _serve(settings: ExporterSettings, parts: ExporterParts) -> int:
    app = build_app(settings, parts)
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    ends = [
        asyncio.create_task(told_to_stop.wait()),
        asyncio.create_task(_started_until_stopped(app)),
    ]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    logger.info("stopping")
    await app.worker.abandon()
    await app.stop()
    for end in ends:
        end.cancel()
    results = await asyncio.gather(*ends, return_exceptions=True)
    bug = app.crash_reason or next((each for each in results if isinstance(each, Exception)), None)
    if bug is not None:
        logger.critical("the exporter has crashed", exc_info=bug)
    return 0 if bug is None else 1


async def _started_until_stopped(app: ExporterApp) -> None:
    await app.start()
    logger.info("the exporter is at work, its pages at http://%s:%d", app.conf.web_bind, app.conf.web_port)
    await app.wait_until_stopped()


def _faust_settings(settings: ExporterSettings) -> dict[str, Any]:
    return {
        "env": {},
        "broker": [f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        "broker_commit_interval": _COMMIT_EVERY_SECONDS,
        "broker_commit_livelock_soft_timeout": _LONG_SECONDS,
        "broker_session_timeout": settings.group_session_timeout_seconds,
        "broker_heartbeat_interval": settings.group_heartbeat_seconds,
        "broker_rebalance_timeout": settings.group_rebalance_timeout_seconds,
        "consumer_auto_offset_reset": "earliest",
        "stream_processing_timeout": _LONG_SECONDS,
        "stream_wait_empty": False,
        # Without tables there are no standbys and no leader: plain round-robin, no topics of Faust's own.
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "value_serializer": "raw",
        "web_bind": settings.http_host,
        "web_port": settings.http_port,
        "web_tables_enabled": False,
        "web_router_enabled": False,
        "worker_redirect_stdouts": False,
    }


def _worker(
    app: ExporterApp,
    settings: ExporterSettings,
    parts: ExporterParts,
    metrics: ExporterMetrics,
    ledger: RequestLedger,
    links: LinkSigner,
) -> Worker:
    publisher = Publisher(parts.producer)
    limit_seconds = settings.outage_limit.total_seconds()
    intake = Intake(
        RecordCodec(EXPORT_REQUESTS, parts.schemas),
        publisher,
        metrics,
        account_partitions=settings.account_partitions,
        tolerance=settings.request_time_tolerance,
    )
    conclusion = Conclusion(
        ledger,
        publisher,
        RecordCodec(EXPORT_NOTIFICATIONS, parts.schemas),
        links,
        public_url=settings.public_url,
        link_ttl=settings.link_ttl,
        outage_limit_seconds=limit_seconds,
    )
    handler = RequestHandler(
        Acceptance(ledger, parts.log_end_offset, limit_seconds),
        FileMaker(parts.storage, parts.clickhouse, parts.sink_position),
        conclusion,
        metrics,
        parts.now_micros,
        concurrent_exports=settings.concurrent_exports,
        outage_limit_seconds=limit_seconds,
    )

    def on_bug(bug: BaseException) -> None:
        app.add_future(app.crash(bug))

    return Worker(settings.log_id, intake, handler, on_bug)


def _add_agent(app: ExporterApp) -> None:
    topic = app.topic(EXPORT_REQUESTS.name, key_serializer="raw", value_serializer="raw", internal=False)

    @app.agent(topic, name="export-requests")
    async def take_requests(stream: Any) -> None:
        event: FaustEvent
        async for event in stream.noack().events():
            await app.worker.take(event)


def _add_expiry(
    app: ExporterApp,
    settings: ExporterSettings,
    parts: ExporterParts,
    metrics: ExporterMetrics,
    ledger: RequestLedger,
) -> None:
    link_ttl_micros = settings.link_ttl // timedelta(microseconds=1)

    @app.timer(settings.expiry_sweep_interval, name="expiry")  # type: ignore[untyped-decorator]
    async def delete_expired_files() -> None:
        try:
            deleted = await in_thread(ledger.delete_expired_files, parts.now_micros(), link_ttl_micros)
        except StorageUnavailableError as error:
            logger.warning("expired files are not deleted this time: %s", error)
            return
        metrics.expired_files.inc(deleted)
        if deleted:
            logger.info("%d expired files are deleted", deleted)


def _follow_assignments(app: ExporterApp) -> None:
    async def joined(*_: Any, **__: Any) -> None:
        app.has_joined = True
        logger.info("reading %s, partitions %s", EXPORT_REQUESTS.name, sorted(tp.partition for tp in app.consumer.assignment()))

    async def left(*_: Any, **__: Any) -> None:
        app.has_joined = False

    app.on_rebalance_complete.connect(joined, weak=False)
    app.on_partitions_revoked.connect(left, weak=False)
