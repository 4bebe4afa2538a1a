"""The metrics of the sink, for Prometheus. Partition labels are those of the log `credit-movements`."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SinkMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows = Counter("credit_sink_rows_inserted", "Movements inserted, repeated ones too", registry=registry)
        self._inserts = Counter("credit_sink_inserts", "Blocks inserted", registry=registry)
        self._retries = Counter(
            "credit_sink_retries", "Failed tries at what is waited for", ["waiting_for"], registry=registry
        )
        self._committed = Gauge(
            "credit_sink_committed_offset", "Next offset to read, as committed", ["partition"], registry=registry
        )
        self._lag = Gauge(
            "credit_sink_lag_messages", "Messages after the committed offset", ["partition"], registry=registry
        )
        self._sums_lag = Gauge(
            "credit_sink_sums_lag_messages",
            "Messages before the committed offset that no sum has yet: those of the last block of 65,536, as a rule",
            ["partition"],
            registry=registry,
        )

    def inserted(self, rows: int) -> None:
        self._rows.inc(rows)
        self._inserts.inc()

    def retried(self, waiting_for: str) -> None:
        self._retries.labels(waiting_for).inc()

    def committed(self, partition: int, offset: int, lag: int, sums_lag: int) -> None:
        self._committed.labels(partition).set(offset)
        self._lag.labels(partition).set(lag)
        self._sums_lag.labels(partition).set(sums_lag)

    def forget(self, partition: int) -> None:
        """The partition is another worker's now: two must not report it."""
        self._committed.remove(partition)
        self._lag.remove(partition)
        self._sums_lag.remove(partition)
