"""`credit-movements rate`: a rater with its clients."""

import gc
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from credit_movements import clients
from credit_movements.clock import now_micros

# Others know them from here.
from credit_movements.rating import GROUP as GROUP
from credit_movements.rating import limits_of as limits_of
from credit_movements.settings import Settings, SettingsError, variable
from credit_movements.setup import topics as kafka_topics
from credit_movements.setup.acls import RATER
from credit_movements.setup.allowed import check_allowed
from credit_movements.setup.findings import TopicOnKafka
from credit_movements.supervision.occupancy import rater_folder_claimed
from credit_movements.workers.health import any_of, health_page
from credit_movements.workers.still_allowed import still_allowed
from kafka_io.transaction_watch import TransactionWatch
from kafka_io.transactions import MakeProducer
from schemas.topics import ACCOUNT_PLANS, CREDIT_MOVEMENTS, RATES, dead_letter_topic
from streams.dedup.catch_up import LogReader
from streams.dedup.snapshots import Snapshots
from streams.events.table import SOURCES
from streams.metrics import RaterMetrics, snapshots_failed
from streams.missing_offsets import MissingOffsets
from streams.options import RaterOptions
from streams.price_feed import PriceFeed
from streams.rater import Rater
from streams.refunds.ledger import RefundLedger
from streams.watches.clock import ClockWatch
from streams.watches.numbers import NumberWatch
from streams.writer import MovementWriter

# Two raters with different values of one of these would end the same event differently.
_DECIDE_HOW_EVENTS_END = (
    "default_rate_card",
    "event_max_age",
    "event_max_ahead",
    "max_seconds_quantity",
    "max_count_quantity",
)
_OBJECTS_BETWEEN_COLLECTIONS = 1_000_000
# A rater that is asked to stop ends within 15 s.
_SECONDS_OF_LAST_UPLOADS = 5.0
# A store that waits for its snapshot is not rated from, and the log has all that a snapshot has. One request carries 8 MiB.
_SNAPSHOT_REQUEST_TIMEOUT = timedelta(seconds=10)
_SNAPSHOT_RETRIES = {"max_retries": 2, "retry_timeout": _SNAPSHOT_REQUEST_TIMEOUT}
_PRICES = (RATES, ACCOUNT_PLANS)
# The rater uses these topics too. At its start they may still be missing.
_ALSO_USED = (*_PRICES, *(dead_letter_topic(topic) for topic in (*SOURCES, *_PRICES)))


def run_rater(settings: Settings, stop: threading.Event, missing_offsets: MissingOffsets = MissingOffsets.STOP) -> None:
    """Rate until `stop` is set.

    Raises OccupiedError, TopicSettingsError, RefusedError and UnreachableError at the start, KafkaException, MisassignedError,
    MisplacedOffsetError and ClockBehindError where it cannot go on.
    """
    metrics = CollectorRegistry()
    with rater_folder_claimed(settings.data_dir, variable("data_dir")), _snapshots(settings, metrics) as snapshots:
        rater = make_rater(settings, metrics, missing_offsets, snapshots)
        _spare_the_garbage_collector()
        with health_page(
            settings.http_host,
            settings.rater_http_port,
            variable("rater_http_port"),
            metrics,
            any_of(still_allowed(settings, RATER), lambda: rater.not_ready),
            lambda: rater.state,
        ):
            rater.run(stop)


def _spare_the_garbage_collector() -> None:
    """A batch makes some 100,000 objects, none of them in a cycle. So collect once in many batches, and never look at the
    imported modules again. Measured: this saves a tenth of the rater's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


@contextmanager
def _snapshots(settings: Settings, metrics: CollectorRegistry) -> Iterator[Snapshots | None]:
    """Those of the stores, for as long as the rater runs; at its end the last ones are uploaded. Raises SettingsError."""
    if settings.dedup_snapshot_url is None:
        yield None
        return
    # Loaded only where it is needed.
    from exporter.storage.objects import StorageUrlError, object_store

    try:
        storage = object_store(
            settings.dedup_snapshot_url, request_timeout=_SNAPSHOT_REQUEST_TIMEOUT, retry_config=_SNAPSHOT_RETRIES
        )
    except StorageUrlError as error:
        raise SettingsError(f"{variable('dedup_snapshot_url')}: {error}") from error
    snapshots = Snapshots(storage, time.monotonic, snapshots_failed(metrics).inc)
    try:
        yield snapshots
    finally:
        snapshots.close(_SECONDS_OF_LAST_UPLOADS)


def make_rater(
    settings: Settings,
    metrics: CollectorRegistry,
    missing_offsets: MissingOffsets = MissingOffsets.STOP,
    snapshots: Snapshots | None = None,
) -> Rater:
    topics = kafka_topics.checked(settings, [*SOURCES, CREDIT_MOVEMENTS], _ALSO_USED)
    check_allowed(settings, RATER)
    clients.check_registry(settings)
    refunds = _refund_ledger(settings)
    movements = clients.codec(settings, CREDIT_MOVEMENTS)
    counts = RaterMetrics(metrics)
    return Rater(
        consumer=clients.group_consumer(settings, GROUP, **{"auto.offset.reset": "error"}),
        writer=MovementWriter(_producers(settings), movements, counts),
        feed=_price_feed(settings),
        log_reader=LogReader(clients.reading_consumer(settings, "log"), movements),
        codecs={topic.name: clients.codec(settings, topic) for topic in SOURCES},
        options=replace(_options(settings, topics, missing_offsets), snapshots=snapshots),
        metrics=counts,
        numbers=NumberWatch(counts.not_numbers, time.monotonic),
        clock=ClockWatch(
            now_micros,
            time.monotonic,
            settings.event_max_ahead,
            lambda: clients.behind_registry(settings, now_micros),
        ),
        monotonic_seconds=time.monotonic,
        refunds=refunds,
    )


def _refund_ledger(settings: Settings) -> RefundLedger | None:
    if not settings.limits_refunds:
        return None
    # Loaded only where it is needed.
    from credit_movements.workers.refunds import refund_ledger

    return refund_ledger(settings)


def _price_feed(settings: Settings) -> PriceFeed:
    return PriceFeed(
        clients.reading_consumer(settings, "price"),
        clients.codec(settings, RATES),
        clients.codec(settings, ACCOUNT_PLANS),
        settings.default_rate_card or None,
        time.monotonic,
    )


def _options(settings: Settings, topics: Mapping[str, TopicOnKafka], missing_offsets: MissingOffsets) -> RaterOptions:
    log = topics[CREDIT_MOVEMENTS.name]
    return RaterOptions(
        partitions=log.partitions,
        # The folder keeps its old name, so that an upgrade finds the stores that lie there.
        dedup_folder=settings.data_dir / "seen",
        log_id=log.id,
        origins={
            topic.name: f"{topic.name} {topics[topic.name].id} of {log.partitions}, {CREDIT_MOVEMENTS.name} {log.id}"
            for topic in SOURCES
        },
        rated_with=_rated_with(settings),
        missing_offsets=missing_offsets,
        limits=limits_of(settings),
        batch_size=settings.rater_batch_size,
        # Where the settings may not be read: as `setup` makes it.
        stamps_the_log=log.settings.get("message.timestamp.type", "CreateTime") == "CreateTime",
    )


def _rated_with(settings: Settings) -> str:
    """The limit of refunds stands there only where it is set: offsets that an earlier version has committed do not name it."""
    fields = [*_DECIDE_HOW_EVENTS_END, *(["refund_limit"] if settings.limits_refunds else [])]
    return ", ".join(f"{variable(field)}={getattr(settings, field)}" for field in fields)


def _producers(settings: Settings) -> MakeProducer:
    transactional_id = clients.transactional_id(settings, RATER, settings.rater_id)

    def make_producer() -> tuple[Producer, TransactionWatch]:
        watch = TransactionWatch(clients.kafka_log)
        return clients.transactional_producer(settings, transactional_id, watch), watch

    return make_producer
