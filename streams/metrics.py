"""The metrics of a rater, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class RaterMetrics:
    """Counters by source topic; for each topic consumed = movements + duplicates + dead letters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.consumed = Counter("credit_events_consumed", "Events read", ["topic"], registry=registry)
        self.movements = Counter("credit_movements", "Events that became movements", ["topic"], registry=registry)
        self.duplicates = Counter("credit_duplicates", "Events seen before, dropped", ["topic"], registry=registry)
        self.dead_letters = Counter("credit_dead_letters", "Records refused", ["topic", "reason"], registry=registry)
        self.not_numbers = Counter(
            "credit_destinations_not_numbers",
            "Usage events whose destination has digits and is no number",
            ["usage_type"],
            registry=registry,
        )
        self.aborts = Counter("credit_transactions_aborted", "Batches read again", registry=registry)
        self.producers_renewed = Counter(
            "credit_producers_renewed",
            "Producers replaced since a request of their last transaction may come late",
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "credit_rater_batch_seconds", "Time to decode, rate and commit a batch", registry=registry
        )
        self.remembered = Gauge("credit_remembered_ids", "Ids that a duplicate would be known by", registry=registry)
        self.partitions_assigned = Gauge("credit_partitions_assigned", "Partitions of this rater", registry=registry)
        self.partitions_rated = Gauge(
            "credit_partitions_rated",
            "Partitions of this rater that it rates, since their stores are ready",
            registry=registry,
        )
        self.to_read_back = Gauge(
            "credit_movements_to_read_back",
            "Movements that its stores still have to read from the log",
            registry=registry,
        )


def snapshots_failed(registry: CollectorRegistry) -> Counter:
    """Of a rater that has snapshots."""
    return Counter(
        "credit_snapshots_failed",
        "Snapshots of remembered ids that could not be uploaded, fetched or used",
        registry=registry,
    )
