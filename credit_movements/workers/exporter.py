"""`credit-movements export`: an exporter with its clients."""

import threading
import time

from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from credit_movements import clients
from credit_movements.settings import Settings, required
from credit_movements.workers import WorkerCrashedError, rater, sink
from exporter.completeness import RatingProgress
from exporter.log_positions import LogPositions
from exporter.service import run
from exporter.settings import ExporterParts, ExporterSettings
from exporter.storage import ExportStorage
from schemas.registry import SubjectSchemas

# One attempt to send a notification; the exporter counts attempts against its limit.
_ATTEMPT_MS = 30_000


def run_exporter(settings: Settings, stop: threading.Event) -> None:
    """Export until SIGINT or SIGTERM, for which it listens itself.

    Raises UnreachableError and SettingsError at the start, WorkerCrashedError at the end.
    """
    parts = make_parts(settings)
    status = run(exporter_settings(settings), parts)
    stop.set()
    if status != 0:
        raise WorkerCrashedError("the exporter has crashed: see its log")


def exporter_settings(settings: Settings) -> ExporterSettings:
    session_seconds = settings.kafka_session_timeout_ms / 1000
    return ExporterSettings(
        bootstrap_servers=required(settings, "kafka_bootstrap_servers"),
        account_partitions=settings.topic_partitions,
        log_id=clients.log_identity(settings),
        public_url=settings.public_url or f"http://{settings.http_host}:{settings.export_http_port}",
        http_host=settings.http_host,
        http_port=settings.export_http_port,
        link_ttl=settings.export_link_ttl,
        outage_limit=settings.export_give_up_after,
        concurrent_exports=settings.export_concurrency,
        group_session_timeout_seconds=session_seconds,
        group_heartbeat_seconds=session_seconds / 4,
        group_rebalance_timeout_seconds=max(3.0, session_seconds),
    )


def make_parts(settings: Settings) -> ExporterParts:
    positions = LogPositions(clients.reading_consumer(settings, "export"), clients.group_consumer(settings, sink.GROUP))
    progress = RatingProgress(
        clients.reading_consumer(settings, "export-progress", **{"isolation.level": "read_uncommitted"}),
        clients.group_consumer(settings, rater.GROUP),
        positions.written_end,
        _now_micros,
    )
    storage_url = settings.export_storage_url or (settings.data_dir / "exports").absolute().as_uri()
    return ExporterParts(
        storage=ExportStorage.open(storage_url),
        clickhouse=lambda: clients.clickhouse_client(settings),
        producer=Producer(
            {**clients.producer_properties(settings), "message.timeout.ms": _ATTEMPT_MS}, logger=clients.kafka_log
        ),
        schemas=SubjectSchemas(clients.registry(settings)),
        log_end_offset=positions.end_offset,
        sink_position=positions.sink_position,
        link_secret=required(settings, "export_link_secret").encode(),
        now_micros=_now_micros,
        metrics=CollectorRegistry(),
        rated_until=progress.rated_until,
    )


def _now_micros() -> int:
    return time.time_ns() // 1000
