"""`credit-movements sink`: a sink with its clients."""

import threading
import time

from prometheus_client import CollectorRegistry

from credit_movements import clickhouse, clients
from credit_movements.settings import Settings, variable
from credit_movements.setup import topics as kafka_topics
from credit_movements.setup.acls import SINK
from credit_movements.setup.allowed import check_allowed
from credit_movements.workers.health import any_of, health_page
from credit_movements.workers.still_allowed import still_allowed
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.loop import CONSUMER_SETTINGS, Sink
from sinks.write.metrics import SinkMetrics
from sinks.write.missing_offsets import MissingOffsets

GROUP = str(CONSUMER_SETTINGS["group.id"])


def run_sink(settings: Settings, stop: threading.Event, missing_offsets: MissingOffsets = MissingOffsets.STOP) -> None:
    """Store movements until `stop` is set.

    Raises UnreachableError, RefusedError, TopicSettingsError, OtherBrandError and OccupiedError at the start, KafkaException,
    OutOfLogError and UndecodableMovementError where it cannot go on.
    """
    metrics = CollectorRegistry()
    log = kafka_topics.checked(settings, [CREDIT_MOVEMENTS])[CREDIT_MOVEMENTS.name]
    check_allowed(settings, SINK)
    clients.check_registry(settings)
    client = clickhouse.checked_client(settings)
    consumer = clients.group_consumer(settings, GROUP, **CONSUMER_SETTINGS | missing_offsets.consumer_settings)
    sink = Sink(
        consumer=consumer,
        client=client,
        codec=clients.codec(settings, CREDIT_MOVEMENTS),
        metrics=SinkMetrics(metrics),
        log_id=log.id,
        monotonic_seconds=time.monotonic,
        messages_a_batch=settings.sink_batch_size,
    )
    with health_page(
        settings.http_host,
        settings.sink_http_port,
        variable("sink_http_port"),
        metrics,
        any_of(still_allowed(settings, SINK), lambda: sink.not_ready),
    ):
        try:
            sink.run(stop)
        finally:
            consumer.close()
            client.close()
