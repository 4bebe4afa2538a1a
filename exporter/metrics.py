"""The metrics of the exporter, for Prometheus."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


# In their order: wait until ClickHouse has the rows, count the rows, wait for a slot, write the file, conclude the export.
PHASES = ("sink", "count", "slot", "write", "conclude")


class ExporterMetrics:
    """`in_progress`: exports that have begun and not ended. `repeats`: requests that the export of an earlier request answers.
    `streamed_...`: each attempt at a file counts its rows and bytes anew."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._ended = Counter("credit_exports", "Exports that ended, by outcome", ["outcome"], registry=registry)
        self._rows = Counter("credit_export_rows", "Movements in the files of completed exports", registry=registry)
        self._seconds = Histogram(
            "credit_export_seconds", "From taking up an export to its outcome", buckets=_SECONDS, registry=registry
        )
        self.streamed_rows = Counter(
            "credit_export_streamed_rows", "Movements read for files, finished or not", registry=registry
        )
        self.streamed_bytes = Counter(
            "credit_export_streamed_bytes", "Bytes of files handed to the storage, finished or not", registry=registry
        )
        self._in_phase = Gauge("credit_exports_in_phase", "Exports now, by what they do", ["phase"], registry=registry)
        self._phase_seconds = Histogram(
            "credit_export_phase_seconds", "Time in each phase", ["phase"], buckets=_SECONDS, registry=registry
        )
        for phase in PHASES:
            self._in_phase.labels(phase)
            self._phase_seconds.labels(phase)
        self.in_progress = Gauge("credit_exports_in_progress", "Exports being made now", registry=registry)
        self.repeats = Counter(
            "credit_export_repeats", "Requests answered by an earlier request's export", registry=registry
        )
        self.dead_letters = Counter(
            "credit_export_dead_letters", "Requests that could not be used, by reason", ["reason"], registry=registry
        )
        self.expired_files = Counter(
            "credit_export_expired_files", "Files deleted because their links had expired", registry=registry
        )
        for outcome in ("completed", "failed"):
            self._ended.labels(outcome)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Use this around a phase of an export; `name` is one of `PHASES`."""
        began_at_seconds = time.monotonic()
        try:
            with self._in_phase.labels(name).track_inprogress():
                yield
        finally:
            self._phase_seconds.labels(name).observe(time.monotonic() - began_at_seconds)

    def count(self, outcome: str, row_count: int | None, duration_seconds: float) -> None:
        """Count an export that has ended."""
        self._ended.labels(outcome).inc()
        self._rows.inc(row_count or 0)
        self._seconds.observe(duration_seconds)
