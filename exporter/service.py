"""The exporter put together, and run until a signal."""

import asyncio
import errno
import logging
import os
import signal
from datetime import timedelta

from exporter.admission.admission import Admission
from exporter.faust_app import ExporterApp, FaustEvent
from exporter.file.making import FileMaker
from exporter.file.progress import Progress
from exporter.file.slots import Slots
from exporter.handler import RequestHandler
from exporter.metrics import ExporterMetrics
from exporter.notify.conclusion import Conclusion
from exporter.notify.dead_letters import DeadLetters
from exporter.notify.publisher import Publisher
from exporter.outages import waited_out
from exporter.request.parsing import RequestParser
from exporter.settings import ExporterParts, ExporterSettings
from exporter.storage.links import LinkSigner
from exporter.storage.objects import StorageUnavailableError
from exporter.storage.records import ExportRecords
from exporter.threads import in_thread, threads_ended
from exporter.web.downloads import DownloadPage
from exporter.web.pages import add_pages
from exporter.web.readiness import clickhouse_check, kafka_check, storage_check
from exporter.web.status import StatusSources, export_status
from exporter.web.status_page import StatusPage
from exporter.worker import Worker
from schemas.codec import RecordCodec
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS

logger = logging.getLogger(__name__)

# Together below the 15 s that a stop may take.
_FAUST_STOPS_SECONDS = 6.0
_THREADS_END_SECONDS = 4.0


def run(settings: ExporterSettings, parts: ExporterParts) -> int:
    """Run until SIGTERM or SIGINT (0), or until a bug or a crash of Faust (1). Gives the status to exit with.

    Requests whose exports are not finished are not acknowledged: the next start takes them up again. Where Kafka, a query or
    an upload hangs even then, this ends the process itself, with the same status.
    """
    for library in ("faust", "mode", "aiokafka"):
        logging.getLogger(library).setLevel(logging.WARNING)
    return asyncio.run(_serve(settings, parts))


def build_app(settings: ExporterSettings, parts: ExporterParts) -> tuple[ExporterApp, Worker]:
    """The app and the worker behind it. To be called, and the app started, in the running event loop."""
    metrics = ExporterMetrics(parts.metrics)
    records = ExportRecords(parts.storage)
    links = LinkSigner(parts.link_secret, parts.link_secret_previous)
    publisher = Publisher(parts.producer)
    progress = Progress(metrics)
    parser = RequestParser(
        RecordCodec(EXPORT_REQUESTS, parts.schemas),
        account_partitions=settings.account_partitions,
        tolerance=settings.request_time_tolerance,
    )

    async def kafka_is_there() -> None:
        await waited_out(lambda: in_thread(parts.log_end_offset, 0), "Kafka does not answer")

    async def take(event: FaustEvent) -> None:
        await worker.take(event)

    def on_bug(bug: BaseException) -> None:
        app.add_future(app.crash(bug))

    worker = Worker(
        settings.requests_log_id,
        parser,
        DeadLetters(publisher, metrics),
        _handler(settings, parts, publisher, metrics, progress, records, links),
        on_bug,
    )
    app = ExporterApp(settings, kafka_is_there, take)
    checks = {
        "kafka": kafka_check(parts.sink_position, lambda: app.has_joined),
        "clickhouse": clickhouse_check(parts.clickhouse),
        "storage": storage_check(parts.storage),
        **parts.checks,
    }
    downloads = DownloadPage(parts.storage, links, parts.now_micros, settings.presigned_ttl)
    add_pages(app.pages, downloads, _status_page(settings, parts, parser, progress, records), checks, parts.metrics)
    parts.add_pages(app.pages)
    _add_expiry(app, settings, parts, metrics, records)
    return app, worker


async def _serve(settings: ExporterSettings, parts: ExporterParts) -> int:
    app, worker = build_app(settings, parts)
    stop_signal = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_signal.set)
    ends = [asyncio.create_task(stop_signal.wait()), asyncio.create_task(_run_app(app))]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    logger.info("stopping")
    await worker.abandon()
    has_stopped = await _stopped(app)
    for end in ends:
        end.cancel()
    results = await asyncio.gather(*ends, return_exceptions=True)
    bug = app.crash_reason or next((each for each in results if isinstance(each, Exception)), None)
    if isinstance(bug, OSError) and bug.errno == errno.EADDRINUSE:
        logger.critical("cannot listen on %s:%d: the port is taken", settings.http_host, settings.http_port)
    elif bug is not None:
        logger.critical("the exporter has crashed", exc_info=bug)
    status = 0 if bug is None else 1
    if not (await threads_ended(_THREADS_END_SECONDS) and has_stopped):
        logger.warning("Kafka, a query or an upload hangs: it is left behind")
        logging.shutdown()
        os._exit(status)
    return status


async def _stopped(app: ExporterApp) -> bool:
    """False if the app does not stop in time: it commits and leaves its group, for which it would wait for Kafka."""
    stopping = asyncio.create_task(app.stop())
    await asyncio.wait({stopping}, timeout=_FAUST_STOPS_SECONDS)
    return stopping.done()


async def _run_app(app: ExporterApp) -> None:
    await app.start()
    logger.info("the exporter is at work, its pages at http://%s:%d", app.conf.web_bind, app.conf.web_port)
    await app.wait_until_stopped()


def _status_page(
    settings: ExporterSettings, parts: ExporterParts, parser: RequestParser, progress: Progress, records: ExportRecords
) -> StatusPage | None:
    if parts.status_token is None:
        return None
    sources = StatusSources(
        records, parts.unread_requests, parser.parse, progress, settings.requests_log_id, settings.account_partitions
    )
    return StatusPage(lambda account_id: export_status(sources, account_id, parts.now_micros()), parts.status_token)


def _handler(
    settings: ExporterSettings,
    parts: ExporterParts,
    publisher: Publisher,
    metrics: ExporterMetrics,
    progress: Progress,
    records: ExportRecords,
    links: LinkSigner,
) -> RequestHandler:
    limit_seconds = settings.outage_limit.total_seconds()
    conclusion = Conclusion(
        records,
        publisher,
        RecordCodec(EXPORT_NOTIFICATIONS, parts.schemas),
        links,
        parts.requests_end,
        parts.now_micros,
        account_partitions=settings.account_partitions,
        public_url=settings.public_url,
        link_ttl=settings.link_ttl,
        outage_limit_seconds=limit_seconds,
    )
    return RequestHandler(
        Admission(records, settings.movements_log_id, parts.log_end_offset, limit_seconds, parts.rated_until),
        FileMaker(
            parts.storage,
            parts.clickhouse,
            parts.sink_position,
            slots=Slots(settings.concurrent_exports),
            metrics=metrics,
            time_limit_seconds=settings.time_limit.total_seconds(),
            progress=progress,
        ),
        conclusion,
        metrics,
        outage_limit_seconds=limit_seconds,
        progress=progress,
    )


def _add_expiry(
    app: ExporterApp,
    settings: ExporterSettings,
    parts: ExporterParts,
    metrics: ExporterMetrics,
    records: ExportRecords,
) -> None:
    link_ttl_micros = settings.link_ttl // timedelta(microseconds=1)

    @app.timer(settings.expiry_sweep_interval, name="expiry")  # type: ignore[untyped-decorator]
    async def delete_expired_files() -> None:
        try:
            deleted = await in_thread(records.delete_expired_files, parts.now_micros(), link_ttl_micros)
        except StorageUnavailableError as error:
            logger.warning("expired files are not deleted this time: %s", error)
            return
        metrics.expired_files.inc(deleted)
        if deleted:
            logger.info("%d expired files are deleted", deleted)
