"""What the exporter counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class ExporterMetrics:
    """`in_progress` are exports that have a slot; `repeats` requests that an earlier one's export answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._ended = Counter("credit_exports", "Exports that ended, by outcome", ["outcome"], registry=registry)
        self._rows = Counter("credit_export_rows", "Movements in the files of completed exports", registry=registry)
        self._seconds = Histogram(
            "credit_export_seconds", "From taking up an export to its outcome", buckets=_SECONDS, registry=registry
        )
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

    def count(self, outcome: str, row_count: int | None, duration_seconds: float) -> None:
        """Count an export that has ended."""
        self._ended.labels(outcome).inc()
        self._rows.inc(row_count or 0)
        self._seconds.observe(duration_seconds)
