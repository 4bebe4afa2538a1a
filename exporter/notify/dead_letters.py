"""Dead-letters each record of `export-requests` that is no request: its bytes untouched, the reason and its position."""

import logging

from exporter.metrics import ExporterMetrics
from exporter.notify.publisher import Outgoing, Publisher
from exporter.outages import waited_out
from exporter.request.parsing import RawRequest
from exporter.request.requests import BadRequest
from exporter.threads import in_thread
from schemas.dead_letters import dead_letter_headers
from schemas.topics import EXPORT_REQUESTS, dead_letter_topic

logger = logging.getLogger(__name__)


class DeadLetters:
    def __init__(self, publisher: Publisher, metrics: ExporterMetrics) -> None:
        self._publisher = publisher
        self._metrics = metrics

    async def publish(self, raw: RawRequest, bad: BadRequest) -> None:
        """Returns once the dead letter is acknowledged. An outage is waited out, however long."""
        partition, offset = raw.position.partition, raw.position.offset
        logger.warning("request at %s/%d is refused: %s (%s)", partition, offset, bad.reason.value, bad.detail)
        letter = Outgoing(
            dead_letter_topic(EXPORT_REQUESTS).name,
            partition,
            key=raw.key,
            value=raw.value,
            headers=dead_letter_headers(bad.reason, bad.detail, EXPORT_REQUESTS.name, partition, offset),
        )
        await waited_out(lambda: in_thread(self._publisher.publish, letter), "a dead letter cannot be sent")
        self._metrics.dead_letters.labels(bad.reason.value).inc()
