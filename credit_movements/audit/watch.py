"""`credit-movements audit --every`: audits at intervals, and a page with what the last one found."""

import logging
import threading
import time

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry, Gauge

from credit_movements.audit.auditor import Audit, Auditor
from credit_movements.audit.differences import Kind
from credit_movements.settings import Settings
from credit_movements.unreachable import UnreachableError
from credit_movements.workers.health import health_page
from kafka_io.reading import StoppedError, StuckError
from schemas.registry import RegistryUnavailableError
from sinks.read.slice import MovementsUnavailableError

logger = logging.getLogger(__name__)

# An audit that cannot be made says nothing about the figures. The next one follows after the interval.
OUTAGES = (
    ClickHouseError,
    MovementsUnavailableError,
    KafkaException,
    RegistryUnavailableError,
    StuckError,
    UnreachableError,
)


class AuditMetrics:
    """Metrics of the last complete audit."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._difference = Gauge(
            "credit_audit_difference", "Differences that the last audit found", ["kind"], registry=registry
        )
        self._last_run = Gauge(
            "credit_audit_last_run_timestamp_seconds", "When the last audit ended", registry=registry
        )
        self._seconds = Gauge("credit_audit_duration_seconds", "How long the last audit took", registry=registry)
        self._events = Gauge("credit_audit_events", "Events that are accounted for up to now", registry=registry)
        self._new_events = Gauge("credit_audit_new_events", "Of these the last audit proved", registry=registry)
        self._last_full = Gauge(
            "credit_audit_last_full_timestamp_seconds",
            "Since when all is proved from its beginning; 0 while a partition has a difference",
            registry=registry,
        )
        self.has_run = False

    def update(self, audit: Audit, at_seconds: float) -> None:
        for kind in Kind:
            self._difference.labels(kind.value).set(audit.counts[kind])
        self._seconds.set(audit.seconds)
        self._events.set(audit.consumed)
        self._new_events.set(audit.consumed - audit.proved_before)
        self._last_full.set(audit.full_at or 0)
        self._last_run.set(at_seconds)
        self.has_run = True


def watch(settings: Settings, every_seconds: float, http_port: int, stop: threading.Event, full: bool = False) -> None:
    """Audit until `stop` is set; `full`: everything each time. Raises OccupiedError where the port cannot be had."""
    registry = CollectorRegistry()
    metrics = AuditMetrics(registry)
    with health_page(
        settings.http_host,
        http_port,
        "--http-port",
        registry,
        lambda: None if metrics.has_run else "no audit has ended yet",
    ) as port:
        logger.info("an audit every %g s; http://%s:%d/metrics", every_seconds, settings.http_host, port)
        while not stop.is_set():
            try:
                _audit_until_outage(settings, metrics, every_seconds, stop, full)
            except StoppedError:
                return
            except OUTAGES as error:
                logger.warning("no audit could be made, the next one is in %g s: %s", every_seconds, error)
            stop.wait(every_seconds)


def _audit_until_outage(
    settings: Settings, metrics: AuditMetrics, every_seconds: float, stop: threading.Event, full: bool
) -> None:
    """The clients stay from one round to the next. After an outage they are made anew: a topic may have been, too."""
    auditor = Auditor(settings, stop)
    try:
        while not stop.is_set():
            _tell(auditor.audit(full=full), metrics)
            stop.wait(every_seconds)
    finally:
        auditor.close()


def _tell(audit: Audit, metrics: AuditMetrics) -> None:
    metrics.update(audit, time.time())
    for number, reason in sorted(audit.discarded.items()):
        logger.warning("partition %d is proved from its beginning, its checkpoint was not used: %s", number, reason)
    logger.info(
        "%d events audited in %.1f s, %d more were proved before, %d differences",
        audit.consumed - audit.proved_before,
        audit.seconds,
        audit.proved_before,
        sum(audit.counts.values()),
    )
    for found in audit.differences:
        for example in found.examples:
            logger.error("%s (%d): %s %s %s", found.kind, found.count, example.position, example.id, example.detail)
