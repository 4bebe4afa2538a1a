"""The notification that ends an export, as the record ExportNotification. Pure."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any
from uuid import UUID, uuid5

from exporter.file.making import MadeFile
from exporter.request.repeats import asked_digest
from exporter.request.requests import ExportRequest
from exporter.storage.records import AcceptedRequest, Notification, Outcome
from schemas.dead_letters import Headers

# A random number, chosen once, so that no other program makes the same ids.
_NAMESPACE = UUID("6f0a3c52-0c0d-4f5e-9b52-6b8d1a2f7e41")
_MAX_ZONE_CHARACTERS = 128
_TRY_AGAIN = "Please wait a few minutes and try again from the Dashboard"
# Where waiting does not help.
_ASK_OTHERWISE = "Please try again from the Dashboard"
_ANSWERED_BELOW = "export.answered.below"
_ASKED = "export.asked.sha256"


class Failure(Enum):
    """Why an export failed: the code for programs, the message for customers. Details go to the log."""

    UNKNOWN_TIME_ZONE = (
        "unknown_time_zone",
        f"The time zone of this export is not known. {_ASK_OTHERWISE}, with another time zone.",
    )
    INVALID_PERIOD = (
        "invalid_period",
        "The period of this export must begin before it ends, and before now, and be at most 13 months long."
        f" {_ASK_OTHERWISE}, with another period.",
    )
    UNKNOWN_OPTION = (
        "unknown_option",
        "What was chosen for the file of this export (its format, columns or types of movement) is not known, or does not go"
        f" together. {_ASK_OTHERWISE}, with another choice.",
    )
    TEMPORARILY_UNAVAILABLE = (
        "temporarily_unavailable",
        f"The export could not be finished because of a problem on our side. {_TRY_AGAIN}.",
    )
    TOO_LARGE_FOR_FORMAT = (
        "too_large_for_format",
        "This export has more lines than one sheet of a spreadsheet can hold (1,048,576)."
        f" {_ASK_OTHERWISE}, with a shorter period, or as CSV or Parquet.",
    )
    TOOK_TOO_LONG = (
        "took_too_long",
        f"The export took too long and was stopped. {_TRY_AGAIN}.",
    )

    INVALID_REQUEST = (
        "invalid_request",
        f"This export could not be started, because its request was not in order. {_TRY_AGAIN}.",
    )

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def message(self) -> str:
        return self.value[1]


def notification_id(account_id: str, request_id: str) -> str:
    """The notification's id, made of account and request, so every retry has the same."""
    return str(uuid5(_NAMESPACE, f"{len(account_id)}:{account_id}{request_id}"))


def refusal_id(account_id: str, request_id: str) -> str:
    """The notification's id for a refused request, the same on every retry.

    It differs from that of an export: the request may come again in order, and readers must not drop the notification of its
    export as one that they know.
    """
    return str(uuid5(_NAMESPACE, f"refused {len(account_id)}:{account_id}{request_id}"))


def answered_requests(request: ExportRequest, outcome: Outcome) -> Headers:
    """The notification's headers that say which requests of its account it answers, those in the same partition of
    `export-requests` below this offset, and for what file `request`, that of the export, asked (see `asked_digest`)."""
    asked = asked_digest(request.file, request.time_zone, request.period_from_micros, request.period_to_micros)
    return [(_ANSWERED_BELOW, str(outcome.requests_end_offset).encode()), (_ASKED, asked.encode())]


def answered_below(headers: Iterable[tuple[str, Any]] | Mapping[str, Any] | None) -> int:
    """Reads that header; `headers` as a Kafka client gives them. 0 without it: a refusal answers only its own request."""
    return int(dict(headers or ()).get(_ANSWERED_BELOW, 0))


def asked_of(headers: Iterable[tuple[str, Any]] | Mapping[str, Any] | None) -> str | None:
    """Reads for what file the export was asked; None where an exporter of before wrote the notification."""
    digest = dict(headers or ()).get(_ASKED)
    return None if digest is None else bytes(digest).decode("ascii", "replace")


def completed(
    accepted: AcceptedRequest,
    made: MadeFile,
    *,
    download_url: str,
    manifest_url: str,
    expires_at_micros: int,
    notified_at_ms: int,
) -> Notification:
    return {
        **_common(accepted, notified_at_ms),
        "status": "completed",
        "file_name": made.file_name,
        "download_url": download_url,
        "manifest_url": manifest_url,
        "expires_at": expires_at_micros,
        "row_count": made.row_count,
        "size_bytes": made.file.size_bytes,
        "sha256": made.file.sha256,
    }


def failed(accepted: AcceptedRequest, failure: Failure, *, notified_at_ms: int) -> Notification:
    return {
        **_common(accepted, notified_at_ms),
        "status": "failed",
        "error_code": failure.code,
        "error_message": failure.message,
    }


def refused(asked: ExportRequest) -> Notification:
    """The notification of a request that cannot be used. It depends on the record alone, so that every retry is the same."""
    accepted = AcceptedRequest(asked, period=None, movements_log_id="", log_end_offset=None)
    return {
        **failed(accepted, Failure.INVALID_REQUEST, notified_at_ms=max(asked.sent_at_ms, 0)),
        "notification_id": refusal_id(asked.account_id, asked.request_id),
    }


def _common(accepted: AcceptedRequest, notified_at_ms: int) -> Notification:
    request, period = accepted.request, accepted.period
    zone = "UTC" if request.time_zone is None else request.time_zone
    return {
        "notification_id": notification_id(request.account_id, request.request_id),
        "export_id": request.request_id,
        "account_id": request.account_id,
        "requested_by": request.requested_by,
        "period_from": None if period is None else period.from_micros,
        "period_to": None if period is None else period.to_micros,
        # The request's own text, cut short: a very long one would make the notification too long to be sent.
        "time_zone": zone[:_MAX_ZONE_CHARACTERS],
        "file_name": None,
        "download_url": None,
        "expires_at": None,
        "row_count": None,
        "size_bytes": None,
        "sha256": None,
        "data_complete_until": accepted.data_complete_until_micros,
        "error_code": None,
        "error_message": None,
        "notified_at": notified_at_ms * 1000,
        "manifest_url": None,
    }
