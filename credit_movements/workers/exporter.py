"""`credit-movements export`: an exporter with its clients."""

import logging
import os
import threading
from functools import partial

from prometheus_client import CollectorRegistry

from credit_movements import clickhouse, clients
from credit_movements.clock import now_micros
from credit_movements.dashboard.pages import DASHBOARD_VARIABLE, add_dashboard
from credit_movements.exports.storage import export_storage, storage_url
from credit_movements.settings import Settings, required, variable
from credit_movements.setup import topics as kafka_topics
from credit_movements.setup.acls import EXPORTER
from credit_movements.setup.allowed import check_allowed
from credit_movements.workers import WorkerCrashedError, rater, sink
from credit_movements.workers.still_allowed import still_allowed
from exporter.faust_app import GROUP_ID
from exporter.positions.completeness import Completeness
from exporter.positions.movements_log import MovementsLog
from exporter.positions.requests_end import RequestsEnd
from exporter.positions.unread import UnreadRequests
from exporter.process import run
from exporter.settings import ExporterParts, ExporterSettings
from kafka_io.access.security import for_python
from schemas.topics import CREDIT_MOVEMENTS, EXPORT_NOTIFICATIONS, EXPORT_REQUESTS, dead_letter_topic

logger = logging.getLogger(__name__)

# One attempt to send a notification; the exporter counts attempts against its limit.
_ATTEMPT_MS = 30_000
# For readers that stand at the end mostly, and want to hear so at once. They read for moments only, so the broker is not asked
# often. Tansu takes 0 for no limit.
_AT_THE_END = {"fetch.wait.max.ms": "1", "fetch.message.max.bytes": "1048576"}
_TOPICS = (CREDIT_MOVEMENTS, EXPORT_REQUESTS, EXPORT_NOTIFICATIONS)


def run_exporter(settings: Settings, stop: threading.Event) -> None:
    """Export until SIGINT or SIGTERM, for which it listens itself.

    Raises UnreachableError, RefusedError, TopicSettingsError, OtherBrandError and SettingsError at the start,
    WorkerCrashedError at the end.
    """
    exporting = exporter_settings(settings)
    clickhouse.check_brand_if_there(settings)
    parts = make_parts(settings, exporting.requests_log_id)
    # Behind all that may refuse: a worker that does not begin says why, and nothing else.
    # A forgotten setting is a folder of this machine, which no other exporter sees.
    logger.info("files are kept in %s (%s)", storage_url(settings), variable("export_storage_url"))
    if settings.export_status_token is None:
        logger.info(
            "no pages /exports/, /spending/ and /balance/ACCOUNT: %s would turn them on",
            variable("export_status_token"),
        )
    status = run(exporting, parts)
    stop.set()
    if status != 0:
        raise WorkerCrashedError("the exporter has crashed: see its log")


def exporter_settings(settings: Settings) -> ExporterSettings:
    security = for_python(settings.kafka_properties())
    topics = kafka_topics.checked(settings, _TOPICS, [dead_letter_topic(EXPORT_REQUESTS)])
    check_allowed(settings, EXPORTER)
    clients.check_registry(settings)
    session_seconds = settings.kafka_session_timeout_ms / 1000
    return ExporterSettings(
        bootstrap_servers=required(settings, "kafka_bootstrap_servers"),
        kafka_prefix=settings.kafka_prefix,
        account_partitions=topics[EXPORT_REQUESTS.name].partitions,
        requests_log_id=topics[EXPORT_REQUESTS.name].id,
        movements_log_id=topics[CREDIT_MOVEMENTS.name].id,
        public_url=settings.public_url or f"http://{settings.http_host}:{settings.export_http_port}",
        http_host=settings.http_host,
        http_port=settings.export_http_port,
        link_ttl=settings.export_link_ttl,
        presigned_ttl=settings.export_presigned_ttl,
        outage_limit=settings.export_give_up_after,
        time_limit=settings.export_time_limit,
        provider_name=settings.export_provider_name,
        concurrent_exports=settings.export_concurrency,
        kafka_security=security,
        group_session_timeout_seconds=session_seconds,
        group_heartbeat_seconds=session_seconds / 4,
        group_rebalance_timeout_seconds=max(3.0, session_seconds),
    )


def make_parts(settings: Settings, requests_log_id: str) -> ExporterParts:
    uncommitted = {"isolation.level": "read_uncommitted", **_AT_THE_END}
    movements = MovementsLog(
        clients.reading_consumer(settings, "export", **_AT_THE_END), clients.group_consumer(settings, sink.GROUP)
    )
    completeness = Completeness(
        clients.reading_consumer(settings, "export-progress", **uncommitted),
        clients.group_consumer(settings, rater.GROUP),
        movements.written_ends,
        now_micros,
    )
    previous = settings.export_link_secret_previous
    unread = UnreadRequests(clients.group_consumer(settings, GROUP_ID), requests_log_id)
    token = settings.export_status_token
    return ExporterParts(
        storage=export_storage(settings),
        clickhouse=clickhouse.client_of_brand(settings),
        producer=clients.producer(settings, **{"message.timeout.ms": _ATTEMPT_MS}),
        schemas=clients.subject_schemas(settings),
        log_ends=movements.end_offsets,
        sink_positions=movements.sink_positions,
        requests_ends=RequestsEnd(clients.reading_consumer(settings, "export-requests", **uncommitted)).end_offsets,
        link_secret=required(settings, "export_link_secret").encode(),
        link_secret_previous=None if previous is None else previous.get_secret_value().encode(),
        now_micros=now_micros,
        metrics=CollectorRegistry(),
        checks={"permissions": still_allowed(settings, EXPORTER)},
        rated_until=completeness.rated_until,
        status_token=None if token is None else token.get_secret_value().encode(),
        unread_requests=unread.of_partition,
        add_pages=partial(add_dashboard, settings) if os.environ.get(DASHBOARD_VARIABLE) else lambda _: None,
    )
