"""Parses a raw record of `export-requests` into a request, or says what is wrong with it."""

from dataclasses import dataclass
from datetime import timedelta

from exporter.foreign_outages import schema_outages_named
from exporter.request.requests import BadRequest, ExportRequest, RequestPosition, checked_request
from schemas.codec import RecordCodec, UndecodableError


@dataclass(frozen=True)
class RawRequest:
    """A record as it lies in `export-requests`; `sent_at_ms` is its Kafka timestamp."""

    position: RequestPosition
    sent_at_ms: int
    key: bytes | None
    value: bytes | None


class RequestParser:
    """`codec` is that of `export-requests`; `tolerance`: how far `requested_at` may lie from the Kafka timestamp."""

    def __init__(self, codec: RecordCodec, *, account_partitions: int, tolerance: timedelta) -> None:
        self._codec = codec
        self._account_partitions = account_partitions
        self._tolerance = tolerance

    def parse(self, raw: RawRequest) -> ExportRequest | BadRequest:
        """The request, or what is wrong with the record. Blocks; raises SchemasUnavailableError."""
        try:
            with schema_outages_named():
                record = self._codec.decode_one(raw.value)
        except UndecodableError as error:
            return BadRequest(error.refusal.reason, error.refusal.detail)
        return checked_request(
            record, raw.position, raw.sent_at_ms, partitions=self._account_partitions, tolerance=self._tolerance
        )
