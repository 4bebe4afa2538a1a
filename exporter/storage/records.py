"""The exporter's memory in object storage: which requests were accepted, and how they ended. Each request has three records.

Each record is written once, by conditional create. A worker that was paused and one that took over from it may both try: the
second one gets what the first one wrote. So each request has one period, one end of the log and one outcome, whatever happens
to the workers. The records stay for ever, because a request id is known for ever. The files expire.
"""

from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

from exporter.request.file_options import AskedFile
from exporter.request.repeats import Ended
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period
from exporter.storage.keys import FILES, LAST_OFFSET, ExportKeys, before_all_earlier, positions_of_account
from exporter.storage.objects import ExportStorage

Notification = dict[str, Any]

# The stored records' name for a request's position. It stays, because records of earlier versions are read too.
_POSITION = "place"
_OF_PERIOD = ("period_from_micros", "period_to_micros")
# No upload takes as long as a day.
_LEFTOVER_MICROS = 24 * 3600 * 1_000_000


@dataclass(frozen=True)
class AcceptedRequest:
    """A request that gets an export, with all that fixes the content of its file.

    `period` is None where the time zone is not known. `log_end_offset` is the end of the account's partition of
    `credit-movements` (the log `movements_log_id`) when the request was accepted: movements from there on belong to later
    exports. It is None where Kafka did not answer in time.
    """

    request: ExportRequest
    period: Period | None
    movements_log_id: str
    log_end_offset: int | None
    # All events that reached Kafka before this instant are rated, and in the file if they are in the period. None: not known.
    data_complete_until_micros: int | None = None

    @property
    def keys(self) -> ExportKeys:
        return ExportKeys.of(self.request.account_id, self.request.request_id)


@dataclass(frozen=True)
class Outcome:
    """How an export ended. `requests_end_offset` is the end of its request's partition of `export-requests` by then. The export
    answers every request of its account below that end."""

    notification: Notification
    requests_end_offset: int


class ExportRecords:
    """Reads and writes the records. All methods block and raise StorageUnavailableError."""

    def __init__(self, storage: ExportStorage) -> None:
        self._storage = storage

    def accepted(self, request: ExportRequest) -> AcceptedRequest | None:
        """The accepted request of this account and id, if there ever was one."""
        record = self._storage.read_record(ExportKeys.of(request.account_id, request.request_id).request)
        return None if record is None else _accepted_from(record)

    def accept(self, accepted: AcceptedRequest) -> AcceptedRequest:
        """Accept a request. Returns the record that stands: `accepted`, or one that another worker wrote before."""
        # The position is written first: later requests must find every request that is accepted.
        self._storage.create_record(accepted.keys.position(accepted.request.position), {})
        if self._storage.create_record(accepted.keys.request, _record_of(accepted)):
            return accepted
        return self.accepted(accepted.request) or accepted

    def outcome(self, accepted: AcceptedRequest) -> Outcome | None:
        """How the export ended, if it has ended."""
        record = self._storage.read_record(accepted.keys.outcome)
        return None if record is None else Outcome(record["notification"], record["requests_end_offset"])

    def conclude(self, accepted: AcceptedRequest, outcome: Outcome) -> Outcome:
        """End an export. Returns the outcome that stands: `outcome`, or another worker's."""
        record = {_POSITION: asdict(accepted.request.position), **asdict(outcome)}
        if self._storage.create_record(accepted.keys.outcome, record):
            return outcome
        return self.outcome(accepted) or outcome

    def ended_before(self, request: ExportRequest) -> Ended | None:
        """The last export of the request's account that was accepted before it in its log, if there is one that has ended.

        Only this export can make the request a repeat: an account's requests are decided on in the order of the log, each after
        the end of the one before, so no earlier export noted a later end. This lists one name and reads one record, however
        many exports the account ever had.
        """
        keys = self._last_before(ExportKeys.of(request.account_id, "").account_hash, request.position)
        outcome = None if keys is None else self._storage.read_record(keys.outcome)
        return None if outcome is None else Ended(RequestPosition(**outcome[_POSITION]), outcome["requests_end_offset"])

    def newest(self, account_id: str, log_id: str, partition: int) -> AcceptedRequest | None:
        """The last accepted request of an account: in the log `log_id`, otherwise in a log that is gone."""
        account_hash = ExportKeys.of(account_id, "").account_hash
        keys = self._last_before(account_hash, RequestPosition(log_id, partition, LAST_OFFSET))
        if keys is None:
            stored = self._storage.list_objects(positions_of_account(account_hash))
            last = max(stored, key=lambda each: (each.modified_at_micros, each.key), default=None)
            keys = None if last is None else ExportKeys.of_position(last.key)
        record = None if keys is None else self._storage.read_record(keys.request)
        return None if record is None else _accepted_from(record)

    def newest_ended(self, account_id: str, most: int) -> list[tuple[AcceptedRequest, Outcome]]:
        """The account's exports that have ended, of its `most` newest requests, the newest first."""
        stored = self._storage.list_objects(positions_of_account(ExportKeys.of(account_id, "").account_hash))
        newest = sorted(stored, key=lambda each: (each.modified_at_micros, each.key), reverse=True)[:most]
        ended = []
        for keys in (ExportKeys.of_position(each.key) for each in newest):
            request, outcome = self._storage.read_record(keys.request), self._storage.read_record(keys.outcome)
            if request is not None and outcome is not None:
                ended.append(
                    (_accepted_from(request), Outcome(outcome["notification"], outcome["requests_end_offset"]))
                )
        return ended

    def _last_before(self, account_hash: str, position: RequestPosition) -> ExportKeys | None:
        key = self._storage.first_behind(before_all_earlier(account_hash, position))
        return None if key is None else ExportKeys.of_position(key)

    def delete_files(self, account_id: str, request_id: str) -> bool:
        """Delete the files of an export that has ended, for good; False where there is no such export.

        A record of the deletion is written first. If a worker that was paused writes one of the files again, its link stays
        dead all the same.
        """
        keys = ExportKeys.of(account_id, request_id)
        if self._storage.read_record(keys.outcome) is None:
            return False
        self._storage.create_record(keys.deletion, {"account_id": account_id, "request_id": request_id})
        for stored in self._storage.list_objects(f"{FILES}/{keys.account_hash}"):
            if keys.owns(stored.key):
                self._storage.delete(stored.key)
        return True

    def files_are_deleted(self, keys: ExportKeys) -> bool:
        """Whether the files of an export were deleted before their time."""
        return self._storage.read_record(keys.deletion) is not None

    def delete_expired_files(self, now_micros: int, link_ttl_micros: int) -> int:
        """Delete the files whose links have expired, and files without an outcome. Returns how many.

        `link_ttl_micros` is how long links last now: younger files are left alone. The outcome of a file is written after the
        file, and may have to wait for the end of an outage. So a file without an outcome is kept for a day.
        """
        deleted = self._storage.delete_leftovers(now_micros - _LEFTOVER_MICROS)
        for stored in self._storage.list_objects(FILES):
            if stored.modified_at_micros + link_ttl_micros > now_micros:
                continue
            outcome = self._storage.read_record(ExportKeys.of_file(stored.key).outcome)
            if _is_over(outcome, stored.modified_at_micros, now_micros):
                self._storage.delete(stored.key)
                deleted += 1
        return deleted


def _is_over(outcome: dict[str, Any] | None, modified_at_micros: int, now_micros: int) -> bool:
    if outcome is None:
        return modified_at_micros + _LEFTOVER_MICROS <= now_micros
    expires_at: int | None = outcome["notification"]["expires_at"]
    return expires_at is None or expires_at <= now_micros


def _record_of(accepted: AcceptedRequest) -> dict[str, Any]:
    record = asdict(accepted)
    request = record["request"]
    request[_POSITION] = request.pop("position")
    # What the request leaves out is left out here too: so workers of earlier versions read what they can do.
    asked = request.pop("file") | {name: request.pop(name) for name in _OF_PERIOD}
    request |= {name: value for name, value in asked.items() if value is not None}
    return record


def _accepted_from(record: dict[str, Any]) -> AcceptedRequest:
    fields = dict(record["request"])
    position = RequestPosition(**fields.pop(_POSITION))
    file = AskedFile(**{each.name: fields.pop(each.name, None) for each in dataclass_fields(AskedFile)})
    return AcceptedRequest(
        request=ExportRequest(**fields, position=position, file=file),
        period=None if record["period"] is None else Period(**record["period"]),
        movements_log_id=record["movements_log_id"],
        log_end_offset=record["log_end_offset"],
        data_complete_until_micros=record.get("data_complete_until_micros"),
    )
