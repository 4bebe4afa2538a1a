"""The export request, and the checks of a decoded record that makes one. Pure."""

import re
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from exporter.request.file_options import AskedFile
from exporter.request.window import (
    EARLIEST_MICROS,
    LATEST_MICROS,
    BadPeriod,
    Period,
    UnknownTimeZone,
    asked_period,
)
from schemas.dead_letters import Reason
from schemas.ids import MOST_ID_CHARACTERS
from schemas.partitioner import account_partition

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


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
    # None of them may be in order: see `AskedFile.options` and `window.asked_period`.
    file: AskedFile = field(default_factory=AskedFile)
    period_from_micros: int | None = None
    period_to_micros: int | None = None

    @property
    def period(self) -> Period | UnknownTimeZone | BadPeriod:
        """The period that it asks for. Its times must be checked before."""
        return asked_period(self.requested_at_micros, self.time_zone, self.period_from_micros, self.period_to_micros)


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
        file=AskedFile(**{each.name: record[each.name] for each in fields(AskedFile)}),
        period_from_micros=record["period_from"],
        period_to_micros=record["period_to"],
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
    if not EARLIEST_MICROS <= request.requested_at_micros <= LATEST_MICROS:
        return "requested_at is beyond what can be stored"
    distance = timedelta(microseconds=abs(request.requested_at_micros - request.sent_at_ms * 1000))
    if distance > tolerance:
        return f"requested_at lies {distance} from the record's Kafka timestamp"
    return None
