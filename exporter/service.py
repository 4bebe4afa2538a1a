"""The exporter put together from its settings and parts, and nothing else."""

from collections.abc import Sequence

from exporter.admission.admission import Admission
from exporter.expiry import ExpirySweep
from exporter.faust_app import ExporterApp, FaustEvent
from exporter.file.clickhouse_clients import ClickHouseClients
from exporter.file.making import FileMaker
from exporter.file.progress import Progress
from exporter.file.slots import Slots
from exporter.handler import RequestHandler
from exporter.metrics import ExporterMetrics
from exporter.notify.conclusion import Conclusion
from exporter.notify.dead_letters import DeadLetters
from exporter.notify.publisher import Publisher
from exporter.outages import waited_out
from exporter.positions.rounds import Rounds
from exporter.request.parsing import RequestParser
from exporter.settings import ExporterParts, ExporterSettings
from exporter.storage.links import LinkSigner
from exporter.storage.records import ExportRecords
from exporter.threads import in_thread
from exporter.web.account_page import AccountPage
from exporter.web.downloads import DownloadPage
from exporter.web.pages import add_pages
from exporter.web.readiness import clickhouse_check, kafka_check, storage_check
from exporter.web.spending_pages import spending_pages
from exporter.web.status import StatusSources, export_status
from exporter.web.status_page import StatusPage
from exporter.worker import Worker
from schemas.codec import RecordCodec
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS


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

    def on_bug(bug: BaseException) -> None:
        app.add_future(app.crash(bug))

    worker = Worker(
        settings.requests_log_id,
        parser,
        DeadLetters(publisher, metrics),
        _handler(settings, parts, publisher, metrics, progress, records, links),
        on_bug,
    )
    app = _app(settings, parts, worker)
    _add_pages(app, settings, parts, links, _account_pages(settings, parts, parser, progress, records))
    sweep = ExpirySweep(records, metrics, settings.link_ttl, parts.now_micros).sweep
    app.timer(settings.expiry_sweep_interval, name="expiry")(sweep)
    return app, worker


def _app(settings: ExporterSettings, parts: ExporterParts, worker: Worker) -> ExporterApp:
    async def kafka_is_there() -> None:
        await waited_out(lambda: in_thread(parts.log_ends, [0]), "Kafka does not answer")

    async def take(event: FaustEvent) -> None:
        await worker.take(event)

    return ExporterApp(settings, kafka_is_there, take)


def _add_pages(
    app: ExporterApp,
    settings: ExporterSettings,
    parts: ExporterParts,
    links: LinkSigner,
    accounts: Sequence[AccountPage],
) -> None:
    checks = {
        "kafka": kafka_check(parts.sink_positions, lambda: app.has_joined),
        "clickhouse": clickhouse_check(parts.clickhouse),
        "storage": storage_check(parts.storage),
        **parts.checks,
    }
    downloads = DownloadPage(parts.storage, links, parts.now_micros, settings.presigned_ttl)
    add_pages(app.pages, downloads, accounts, checks, parts.metrics)
    parts.add_pages(app.pages)


def _account_pages(
    settings: ExporterSettings, parts: ExporterParts, parser: RequestParser, progress: Progress, records: ExportRecords
) -> list[AccountPage]:
    """None without a token: then nobody may ask."""
    if parts.status_token is None:
        return []
    sources = StatusSources(
        records, parts.unread_requests, parser.parse, progress, settings.requests_log_id, settings.account_partitions
    )
    status = StatusPage(lambda account_id: export_status(sources, account_id, parts.now_micros()), parts.status_token)
    clients = ClickHouseClients(parts.clickhouse)
    return [status, *spending_pages(clients, parts.status_token, parts.now_micros)]


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
        Rounds(parts.requests_ends).answer,
        parts.now_micros,
        account_partitions=settings.account_partitions,
        public_url=settings.public_url,
        link_ttl=settings.link_ttl,
        outage_limit_seconds=limit_seconds,
    )
    return RequestHandler(
        Admission(
            records,
            settings.movements_log_id,
            Rounds(parts.log_ends).answer,
            Rounds(parts.rated_until).answer,
            limit_seconds,
        ),
        FileMaker(
            parts.storage,
            parts.clickhouse,
            Rounds(parts.sink_positions).answer,
            slots=Slots(settings.concurrent_exports),
            metrics=metrics,
            time_limit_seconds=settings.time_limit.total_seconds(),
            provider=settings.provider_name,
            progress=progress,
        ),
        conclusion,
        metrics,
        outage_limit_seconds=limit_seconds,
        progress=progress,
    )
