"""The export request, and the checks of a decoded record that makes one. Pure."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.request.csv_options import CsvOptions, UnknownOption, csv_options
from schemas.dead_letters import Reason
from schemas.ids import MOST_ID_CHARACTERS
from schemas.partitioner import account_partition

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# ClickHouse's DateTime64(6) can hold these instants, and those of the days that an export counts back.
_EARLIEST_MICROS = (datetime(1900, 3, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LATEST_MICROS = (datetime(2299, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class RequestPosition:
    """The position of a request: a partition and an offset of `export-requests`. `log_id` identifies that log, because a topic
    that was made anew begins at offset 0 again."""

    log_id: str
    partition: int
    offset: int

    def is_before(self, other: "RequestPosition") -> bool:
        """Whether it lies before `other` in the same partition. Positions in two logs have no order."""
        same = (self.log_id, self.partition) == (other.log_id, other.partition)
        return same and self.offset < other.offset


@dataclass(frozen=True)
class ExportRequest:
    """A well-formed request of the log. `sent_at_ms` is its Kafka timestamp."""

    request_id: str
    account_id: str
    requested_at_micros: int
    time_zone: str | None
    requested_by: str | None
    position: RequestPosition
    sent_at_ms: int
    # Their values may be unknown ones: see `options`. Requests that earlier versions accepted have none of these.
    csv_encoding: str | None = None
    csv_separator: str | None = None
    compression: str | None = None

    @property
    def options(self) -> CsvOptions | UnknownOption:
        return csv_options(self.csv_encoding, self.csv_separator, self.compression)


@dataclass(frozen=True)
class BadRequest:
    """A record that is no request: it is dead-lettered.

    `asked` is the request as far as it is usable, if account and request id are: then a notification says to the account that
    it gets no file.
    """

    reason: Reason
    detail: str
    asked: ExportRequest | None = None


def checked_request(
    record: dict[str, Any], position: RequestPosition, sent_at_ms: int, *, partitions: int, tolerance: timedelta
) -> ExportRequest | BadRequest:
    """The request in a decoded ExportRequest record; `tolerance` is how far `requested_at` may lie from `sent_at_ms`."""
    request = ExportRequest(
        request_id=record["request_id"],
        account_id=record["account_id"],
        requested_at_micros=record["requested_at"],
        time_zone=record["time_zone"],
        requested_by=record["requested_by"],
        position=position,
        sent_at_ms=sent_at_ms,
        csv_encoding=record["csv_encoding"],
        csv_separator=record["csv_separator"],
        compression=record["compression"],
    )
    wrong = _what_is_wrong(request, tolerance)
    if wrong is not None:
        return BadRequest(Reason.INVALID_EVENT, wrong, _as_far_as_usable(request))
    home = account_partition(request.account_id, partitions)
    if home != position.partition:
        wrong = f"lies in partition {position.partition}, its account's is {home}"
        return BadRequest(Reason.WRONG_PARTITION, wrong, _as_far_as_usable(request))
    return request


def _as_far_as_usable(request: ExportRequest) -> ExportRequest | None:
    if not (_is_id(request.account_id) and _is_id(request.request_id)):
        return None
    has_sender = request.requested_by is not None and _is_id(request.requested_by)
    return request if has_sender else replace(request, requested_by=None)


def _is_id(text: str) -> bool:
    return 1 <= len(text) <= MOST_ID_CHARACTERS


def _what_is_wrong(request: ExportRequest, tolerance: timedelta) -> str | None:
    if not _UUID.fullmatch(request.request_id):
        return "request_id is not a canonical UUID"
    if not _is_id(request.account_id):
        return f"account_id has {len(request.account_id)} characters"
    if request.requested_by is not None and not _is_id(request.requested_by):
        return f"requested_by has {len(request.requested_by)} characters"
    if not _EARLIEST_MICROS <= request.requested_at_micros <= _LATEST_MICROS:
        return "requested_at is beyond what can be stored"
    distance = timedelta(microseconds=abs(request.requested_at_micros - request.sent_at_ms * 1000))
    if distance > tolerance:
        return f"requested_at lies {distance} from the record's Kafka timestamp"
    return None
