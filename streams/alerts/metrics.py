"""The metrics of a watch, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class WatchMetrics:
    """`stale`: alerts of long ago, which are not told any more."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.judged = Counter("credit_watched_movements", "Movements judged", registry=registry)
        self.told = Counter("credit_alerts", "Alerts told", ["kind"], registry=registry)
        self.repeated = Counter(
            "credit_alerts_told_before", "Alerts not told, since they were before", registry=registry
        )
        self.stale = Counter("credit_alerts_stale", "Alerts not told, since they are too old", registry=registry)
        self.aborts = Counter(
            "credit_alert_transactions_aborted", "Transactions of alerts written again", registry=registry
        )
        self.settings_refused = Counter(
            "credit_alert_settings_refused", "Records of alert-settings that change nothing", registry=registry
        )
        self.lag = Gauge("credit_watch_lag_messages", "Messages of the log that are not judged yet", registry=registry)
        self.to_read = Gauge(
            "credit_watch_movements_to_read_back",
            "Movements up to the committed offset that the watch still has to judge again, without telling",
            registry=registry,
        )
