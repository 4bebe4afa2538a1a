"""From a raw record of `export-requests` to a request that can be decided on, or to a dead letter."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from exporter.metrics import ExporterMetrics
from exporter.notify.publisher import Outgoing, Publisher
from exporter.outages import waited_out
from exporter.request.requests import BadRequest, ExportRequest, LogPlace, checked_request
from exporter.threads import in_thread
from schemas.codec import RecordCodec, UndecodableError
from schemas.dead_letters import dead_letter_headers
from schemas.topics import EXPORT_REQUESTS, dead_letter_topic

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawRequest:
    """A record as it lies in `export-requests`; `sent_at_ms` is its Kafka timestamp."""

    place: LogPlace
    sent_at_ms: int
    key: bytes | None
    value: bytes | None


class Intake:
    """`codec` is that of `export-requests`; `tolerance`: how far `requested_at` may lie from the Kafka timestamp."""

    def __init__(
        self,
        codec: RecordCodec,
        publisher: Publisher,
        metrics: ExporterMetrics,
        *,
        account_partitions: int,
        tolerance: timedelta,
    ) -> None:
        self._codec = codec
        self._publisher = publisher
        self._metrics = metrics
        self._account_partitions = account_partitions
        self._tolerance = tolerance

    async def read(self, raw: RawRequest) -> ExportRequest | BadRequest:
        """The request, or what is wrong with it. An outage of the registry is waited out."""
        return await waited_out(lambda: in_thread(self.checked, raw), "a request cannot be read")

    def checked(self, raw: RawRequest) -> ExportRequest | BadRequest:
        """What a record is. Blocks; raises RegistryUnavailableError."""
        try:
            record = self._codec.decode_one(raw.value)
        except UndecodableError as error:
            return BadRequest(error.refusal.reason, error.refusal.detail)
        return checked_request(
            record, raw.place, raw.sent_at_ms, partitions=self._account_partitions, tolerance=self._tolerance
        )

    async def write_dead_letter(self, raw: RawRequest, bad: BadRequest) -> None:
        """Returns once the dead letter is acknowledged."""
        place = raw.place
        logger.warning(
            "request at %s/%d is refused: %s (%s)", place.partition, place.offset, bad.reason.value, bad.detail
        )
        letter = Outgoing(
            dead_letter_topic(EXPORT_REQUESTS).name,
            place.partition,
            key=raw.key,
            value=raw.value,
            headers=dead_letter_headers(bad.reason, bad.detail, EXPORT_REQUESTS.name, place.partition, place.offset),
        )
        await waited_out(lambda: in_thread(self._publisher.publish, letter), "a dead letter cannot be sent")
        self._metrics.dead_letters.labels(bad.reason.value).inc()
