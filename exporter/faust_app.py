"""The exporter as a Faust app: Faust's settings, the consumer of `export-requests`, the order of starting.

Trials showed what Faust 0.15 really does. This follows from it here:

- Faust acknowledges an agent's event when the agent's loop goes on, even by an exception. So the stream is `noack()` and
  nothing in the loop raises. We acknowledge a record after Kafka has acknowledged its notification, in the order of the log
  (see `in_order`).
- At a rebalance and at its end Faust waits until all events in hand are done, which would take as long as an export.
  `stream_wait_empty=False` turns that off: records that were not acknowledged are read again.
- Environment variables without a prefix (`WEB_PORT`, `BROKER_URL`, ...) win over settings made in code. So Faust gets an empty
  environment.
- Its producer is not started: a notification needs a clear answer, and an exact timestamp (see `notify.publisher`).
- Its own pages are left out, since its `/` always says OK. The others are served with bounds (see `web.limits`).
- Its consumer fails where Kafka withdraws a permission. Ours waits (`_PatientThread`).
- Its consumer fails where Kafka is not there yet. So a gate of ours waits for Kafka first; the pages are up by then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import faust
from aiohttp.web import Application
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from faust.app.base import BootStrategy
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.web.base import BlueprintManager
from faust.web.drivers.aiohttp import Web
from mode import Service, ServiceT

from exporter.settings import ExporterSettings
from exporter.web.limits import MOST_BODY_BYTES, Connections, LimitedSite, limited_runner, most_connections
from kafka_io.access.refusals import PAGE
from kafka_io.access.security import PythonSecurity
from kafka_io.client_properties import CLIENT_ID
from kafka_io.prefix import Names
from schemas.topics import EXPORT_REQUESTS

logger = logging.getLogger(__name__)
# Every service of Faust logs its start and stop with this logger. We log a start and a stop of the exporter once.
_faust_logger = logging.getLogger("faust")

# As other clients of Kafka: of like lines one a minute is shown.
kafka_log = logging.getLogger("kafka")

GROUP_ID = "exporter"
_REFUSED_SECONDS = 2.0
_COMMIT_EVERY_SECONDS = 0.5
_FINISH_DOWNLOADS_SECONDS = 2.0
# Faust reports an error when a stream makes no progress for so long. It must be longer than any export.
_LONG_SECONDS = timedelta(days=1).total_seconds()

FaustEvent = Any
"""One record: `message` has topic, partition, offset, key, value, timestamp; `ack()` acknowledges it."""


class _PatientThread(AIOKafkaConsumerThread):
    """Reads on when it is allowed again: aiokafka asks anew after each refusal, and Faust would crash at the first."""

    logger = _faust_logger

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._fetch_records(*args, **kwargs)
        except (GroupAuthorizationFailedError, TopicAuthorizationFailedError) as refused:
            kafka_log.warning(
                "Kafka does not allow this user what it needs (%s): %s lists it; trying again", refused, PAGE
            )
            await asyncio.sleep(_REFUSED_SECONDS)
            return {}


class _PatientConsumer(Consumer):
    logger = _faust_logger

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _PatientThread(self, loop=self.loop, beacon=self.beacon)


class _Gate(Service):
    """Holds up the start of what comes after it until `opened` returns."""

    logger = _faust_logger

    def __init__(self, opened: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._opened = opened

    async def on_start(self) -> None:
        await self._opened()


class _PatientBoot(BootStrategy):
    enable_kafka_producer = False

    def kafka_consumer(self) -> Iterable[ServiceT]:
        assert isinstance(self.app, ExporterApp)
        return [self.app.gate, *super().kafka_consumer()]


class ExporterApp(faust.App):
    """Calls `take` with each record of `export-requests`, in the order of each partition; `take` must not raise.

    `kafka_is_there` returns when Kafka answers. `has_joined`: whether the consumer group has assigned our partitions.
    `pages`: the web application that Faust serves.
    """

    logger = _faust_logger
    BootStrategy = _PatientBoot

    def __init__(
        self,
        settings: ExporterSettings,
        kafka_is_there: Callable[[], Awaitable[None]],
        take: Callable[[FaustEvent], Awaitable[None]],
    ) -> None:
        names = Names(settings.kafka_prefix)
        super().__init__(names.real(GROUP_ID), **_options(settings))
        self.gate = _Gate(kafka_is_there)
        self.has_joined = False
        self.pages = _only_our_pages(self.web, settings)
        topic = self.topic(
            names.real(EXPORT_REQUESTS.name), key_serializer="raw", value_serializer="raw", internal=False
        )

        @self.agent(topic, name=EXPORT_REQUESTS.name)
        async def take_requests(stream: Any) -> None:
            async for event in stream.noack().events():
                await take(event)

        self.on_rebalance_complete.connect(self._on_joined)
        self.on_partitions_revoked.connect(self._on_left)

    def _new_transport(self) -> Any:
        transport: Any = super()._new_transport()
        transport.Consumer = _PatientConsumer
        return transport

    async def on_first_start(self) -> None:
        """No tables, so no folders for them."""

    async def _on_joined(self, *_: Any, **__: Any) -> None:
        self.has_joined = True
        partitions = sorted(each.partition for each in self.consumer.assignment())
        logger.info("reading %s, partitions %s", EXPORT_REQUESTS.name, partitions)

    async def _on_left(self, *_: Any, **__: Any) -> None:
        self.has_joined = False


def _only_our_pages(web: Any, settings: ExporterSettings) -> Application:
    assert isinstance(web, Web)
    web.blueprints = BlueprintManager([])
    # Faust's own runner waits a minute for downloads under way when it stops, and its site has no bounds.
    web._runner = runner = limited_runner(web.web_app, _FINISH_DOWNLOADS_SECONDS)
    connections = Connections(most_connections())
    connections.bound(web.web_app)
    web._transport_handlers = {"tcp": lambda: LimitedSite(runner, settings.http_host, settings.http_port, connections)}
    return web.web_app


def _options(settings: ExporterSettings) -> dict[str, Any]:
    return {
        "env": {},
        "broker": [f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        # The same as that of the other clients: a broker's quotas may be for it.
        "broker_client_id": Names(settings.kafka_prefix).real(CLIENT_ID),
        "broker_credentials": _credentials(settings.kafka_security),
        "broker_commit_interval": _COMMIT_EVERY_SECONDS,
        "broker_commit_livelock_soft_timeout": _LONG_SECONDS,
        "broker_session_timeout": settings.group_session_timeout_seconds,
        "broker_heartbeat_interval": settings.group_heartbeat_seconds,
        "broker_rebalance_timeout": settings.group_rebalance_timeout_seconds,
        "consumer_auto_offset_reset": "earliest",
        "stream_processing_timeout": _LONG_SECONDS,
        "stream_wait_empty": False,
        # No tables, so no standbys and no leader: plain round-robin, and no topics of Faust's own.
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_application_options": {"client_max_size": MOST_BODY_BYTES},
        "web_bind": settings.http_host,
        "web_port": settings.http_port,
        "web_tables_enabled": False,
        "web_router_enabled": False,
    }


def _credentials(security: PythonSecurity) -> Credentials | None:
    """Whether SASL is encrypted Faust sees by whether there is a TLS context."""
    if security.mechanism is not None:
        return SASLCredentials(
            mechanism=security.mechanism,
            username=security.username,
            password=security.password,
            ssl_context=security.tls,
        )
    return None if security.tls is None else SSLCredentials(security.tls)
