"""`credit-movements watch`: a watch with its clients."""

import threading
import time
from typing import Final

from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from credit_movements import clients
from credit_movements.clock import now_micros
from credit_movements.settings import Settings, variable
from credit_movements.setup import topics as kafka_topics
from credit_movements.setup.acls import WATCH
from credit_movements.setup.allowed import check_allowed
from credit_movements.workers.health import any_of, health_page
from credit_movements.workers.still_allowed import still_allowed
from kafka_io.transaction_watch import TransactionWatch
from kafka_io.transactions import MakeProducer
from schemas.topics import ALERT_SETTINGS, CREDIT_ALERTS, CREDIT_MOVEMENTS, dead_letter_topic
from streams.alerts.judging.rules import Rules
from streams.alerts.judging.settings import AccountSettings
from streams.alerts.metrics import WatchMetrics
from streams.alerts.settings_feed import SettingsFeed
from streams.alerts.told import ToldReader
from streams.alerts.watch import Watch, WatchOptions
from streams.alerts.writer import AlertWriter

GROUP: Final = "watch"
_NANOS: Final = 10**9
# A batch of so many is judged in a tenth of a second.
_BATCH_SIZE: Final = 20_000


def run_watch(settings: Settings, stop: threading.Event) -> None:
    """Watch until `stop` is set.

    Raises TopicSettingsError, RefusedError and UnreachableError at the start, KafkaException, OffsetOutOfRangeError and
    UndecodableMovementError where it cannot go on.
    """
    metrics = CollectorRegistry()
    watch = make_watch(settings, metrics)
    with health_page(
        settings.http_host,
        settings.watch_http_port,
        variable("watch_http_port"),
        metrics,
        any_of(still_allowed(settings, WATCH), lambda: watch.not_ready),
    ):
        watch.run(stop)


def make_watch(settings: Settings, metrics: CollectorRegistry) -> Watch:
    topics = kafka_topics.checked(
        settings, [CREDIT_MOVEMENTS, CREDIT_ALERTS, ALERT_SETTINGS], [dead_letter_topic(ALERT_SETTINGS)]
    )
    check_allowed(settings, WATCH)
    clients.check_registry(settings)
    counts = WatchMetrics(metrics)
    of_accounts = AccountSettings(rules_of(settings))
    alerts = clients.codec(settings, CREDIT_ALERTS)
    return Watch(
        consumer=clients.group_consumer(settings, GROUP, **{"auto.offset.reset": "error"}),
        writer=AlertWriter(_producers(settings), alerts),
        told_reader=ToldReader(clients.reading_consumer(settings, "alerts"), alerts),
        feed=SettingsFeed(
            clients.reading_consumer(settings, "alert-settings"),
            clients.codec(settings, ALERT_SETTINGS),
            of_accounts,
            counts.settings_refused,
        ),
        settings=of_accounts,
        codec=clients.codec(settings, CREDIT_MOVEMENTS),
        options=WatchOptions(
            settings.data_dir / "watch", topics[CREDIT_MOVEMENTS.name].id, settings.alert_max_age, _BATCH_SIZE
        ),
        metrics=counts,
        now_micros=now_micros,
        monotonic_seconds=time.monotonic,
    )


def rules_of(settings: Settings) -> Rules:
    """By what an account is judged that has no settings of its own."""
    return Rules(
        settings.alert_low_balance * _NANOS, settings.alert_empty_soon_hours, settings.alert_unusual_spending * _NANOS
    )


def _producers(settings: Settings) -> MakeProducer:
    transactional_id = clients.transactional_id(settings, WATCH, settings.watch_id)

    def make_producer() -> tuple[Producer, TransactionWatch]:
        watch = TransactionWatch(clients.kafka_log)
        return clients.transactional_producer(settings, transactional_id, watch), watch

    return make_producer
