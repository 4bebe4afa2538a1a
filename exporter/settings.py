"""The settings of the exporter, and its parts: the clients, the clock and the secrets. The composition root makes both."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web
from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from exporter.positions.completeness import Rated, unknown
from exporter.positions.rounds import AskAll
from exporter.request.parsing import RawRequest
from exporter.storage.objects import ExportStorage
from exporter.web.readiness import ReadinessCheck
from kafka_io.access.security import PythonSecurity
from schemas.registry import SubjectSchemas


@dataclass(frozen=True)
class ExporterSettings:
    """`requests_log_id` and `movements_log_id` identify the logs `export-requests` and `credit-movements`, and are the same for
    all workers on them. Links begin with `public_url`.

    `kafka_prefix` stands in front of the names that Kafka knows.

    What an operator may set has no default here: the defaults stand in the root's settings alone. The three times of the
    consumer group suit Apache Kafka. The embedded broker, where a join takes half the session time-out, needs 2, 0.5 and 3 s.
    """

    bootstrap_servers: str
    kafka_prefix: str
    account_partitions: int
    requests_log_id: str
    movements_log_id: str
    public_url: str
    http_host: str
    http_port: int
    link_ttl: timedelta
    presigned_ttl: timedelta
    outage_limit: timedelta
    time_limit: timedelta
    provider_name: str
    concurrent_exports: int
    group_session_timeout_seconds: float
    group_heartbeat_seconds: float
    group_rebalance_timeout_seconds: float
    kafka_security: PythonSecurity = field(default_factory=PythonSecurity)
    request_time_tolerance: timedelta = timedelta(minutes=5)
    expiry_sweep_interval: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class ExporterParts:
    """The outside world.

    - `clickhouse` makes a client for one stream at a time; the exporter closes it. `producer` has `acks=all`.
    - These block, and raise an Outage when Kafka does not answer: `log_ends` gives the ends of partitions of
      `credit-movements` for a `read_committed` reader, `sink_positions` the sink's committed offsets there, `requests_ends`
      the ends of partitions of `export-requests`, `unread_requests` one's records that are not acknowledged, and `rated_until`
      how far the ledger has come for partitions (see `positions.completeness`), None where no answer is sure.
    - `link_secret` signs links. Links that `link_secret_previous` signed are valid too.
    - `now_micros`: microseconds since the epoch, UTC.
    - `checks`: more conditions of `/readyz`. `add_pages` adds pages to the exporter's own.
    - `status_token`: whoever has it may ask for the state of exports; None: nobody may.
    """

    storage: ExportStorage
    clickhouse: Callable[[], Client]
    producer: Producer
    schemas: SubjectSchemas
    log_ends: AskAll[int]
    sink_positions: AskAll[int]
    requests_ends: AskAll[int]
    link_secret: bytes
    now_micros: Callable[[], int]
    metrics: CollectorRegistry
    link_secret_previous: bytes | None = None
    rated_until: AskAll[Rated | None] = unknown
    checks: Mapping[str, ReadinessCheck] = field(default_factory=dict)
    status_token: bytes | None = None
    unread_requests: Callable[[int], Iterable[RawRequest]] = lambda _: ()
    add_pages: Callable[[web.Application], None] = lambda _: None
