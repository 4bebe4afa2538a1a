"""The state of an account's last export, from storage and log alone, so that any worker gives the same answer.

- `waiting`: a request lies in `export-requests` that no worker has decided on yet, and that no earlier export answers.
- `running`: accepted, and without an outcome. Only the worker that makes the file knows how many rows are written.
- `completed`, `failed`: as its notification says.
- `none`: this account never asked.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from exporter.file.progress import Progress
from exporter.request.parsing import RawRequest
from exporter.request.repeats import Ended, is_repeat
from exporter.request.requests import BadRequest, ExportRequest
from exporter.storage.records import AcceptedRequest, ExportRecords, Notification, Outcome
from schemas.partitioner import account_partition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("requested_at", "period_from", "period_to", "expires_at", "data_complete_until", "notified_at")
_NOTHING: dict[str, Any] = dict.fromkeys(
    (
        "export_id",
        "requested_by",
        "time_zone",
        "file_name",
        "download_url",
        "row_count",
        "size_bytes",
        "sha256",
        "error_code",
        "error_message",
        "rows_written",
        *_TIMES,
    )
)
# Fields of a notification that this answer has under other names, or that are of no use to a dashboard.
_LEFT_OUT = {"account_id", "status", "notification_id"}
# The topic was made anew without the request, as by a restart of the embedded broker: this export will never end.
_INTERRUPTED = {
    "error_code": "interrupted",
    "error_message": "The export was interrupted. Please wait a few minutes and try again from the Dashboard.",
}


class State(Enum):
    NONE = "none"
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True)
class StatusSources:
    """The sources of the answer. `unread` gives the unacknowledged records of a partition of `export-requests`, and `parse`
    makes requests of them. `requests_log_id` identifies the log `export-requests` that this exporter reads."""

    records: ExportRecords
    unread: Callable[[int], Iterable[RawRequest]]
    parse: Callable[[RawRequest], ExportRequest | BadRequest]
    progress: Progress
    requests_log_id: str
    account_partitions: int


def export_status(sources: StatusSources, account_id: str, now_micros: int) -> dict[str, Any]:
    """The answer, for JSON: always the same fields, times as ISO 8601 in UTC, null where there is no value.

    Blocks; raises outages.
    """
    partition = account_partition(account_id, sources.account_partitions)
    accepted = sources.records.newest(account_id, sources.requests_log_id, partition)
    outcome = None if accepted is None else sources.records.outcome(accepted)
    is_running = (
        accepted is not None and outcome is None and accepted.request.position.log_id == sources.requests_log_id
    )
    if not is_running and (waiting := _waiting(sources, account_id, accepted, outcome)) is not None:
        return _answer(account_id, State.WAITING, _of_request(waiting))
    if accepted is None:
        return _answer(account_id, State.NONE, {})
    known = _of_accepted(accepted)
    if outcome is not None:
        is_dead = _has_expired(outcome.notification, now_micros) or sources.records.files_are_deleted(accepted.keys)
        fields = outcome.notification | ({"download_url": None} if is_dead else {})
        return _answer(account_id, State(fields["status"]), known | fields)
    if not is_running:
        return _answer(account_id, State.FAILED, known | _INTERRUPTED)
    return _answer(account_id, State.RUNNING, known | {"rows_written": sources.progress.rows_written(accepted)})


def _waiting(
    sources: StatusSources, account_id: str, accepted: AcceptedRequest | None, outcome: Outcome | None
) -> ExportRequest | None:
    """The first unread request that will become an export, by the rules of `admission`.

    An account's requests are decided on in the order of the log, so all requests before the last accepted one are decided.
    """
    ended = Ended(accepted.request.position, outcome.requests_end_offset) if accepted and outcome else None
    for raw in sources.unread(account_partition(account_id, sources.account_partitions)):
        request = sources.parse(raw)
        if isinstance(request, BadRequest) or request.account_id != account_id:
            continue
        is_decided = accepted is not None and request.position.is_before(accepted.request.position)
        if is_decided or is_repeat(request, ended) or sources.records.accepted(request) is not None:
            continue
        return request
    return None


def _of_request(request: ExportRequest) -> dict[str, Any]:
    return {
        "export_id": request.request_id,
        "requested_by": request.requested_by,
        "requested_at": request.requested_at_micros,
        "time_zone": request.time_zone or "UTC",
    }


def _of_accepted(accepted: AcceptedRequest) -> dict[str, Any]:
    period = accepted.period
    known = {} if period is None else {"period_from": period.from_micros, "period_to": period.to_micros}
    return _of_request(accepted.request) | known


def _has_expired(outcome: Notification, now_micros: int) -> bool:
    expires_at: int | None = outcome["expires_at"]
    return expires_at is not None and expires_at <= now_micros


def _answer(account_id: str, state: State, found: dict[str, Any]) -> dict[str, Any]:
    fields = _NOTHING | {name: value for name, value in found.items() if name not in _LEFT_OUT}
    return {"account_id": account_id, "state": state.value, **fields, **{name: _iso(fields[name]) for name in _TIMES}}


def _iso(micros: int | None) -> str | None:
    if micros is None:
        return None
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds").replace("+00:00", "Z")
