"""The exporter's memory: which requests were accepted, and how they ended. Two small records each, in object storage.

Both are written once, by conditional create: a worker that was paused, and one that took over from it, may both try, and
whoever comes second gets what the first one wrote. So there is one period, one place in the log and one outcome for each
request, whatever happens to the workers. The records stay for ever (a request id is known for ever); the files expire.
"""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

from exporter.requests import Ended, ExportRequest, LogPlace
from exporter.storage import ExportStorage
from exporter.window import Period

Notification = dict[str, Any]

_REQUESTS = "requests"
_FILES = "files"
# How far the storage's clock may lag behind the broker's. Generous: it only decides which outcomes are read at all.
_CLOCK_SLACK_MS = 24 * 3600 * 1000
# A storage tells when a record was written in whole seconds at worst. Requests of one account are accepted one by one, in
# the order of the log.
_SAME_MOMENT_MICROS = 2_000_000
_MOST_OF_ONE_MOMENT = 8
# No upload takes so long.
_LEFTOVER_MICROS = 24 * 3600 * 1_000_000


@dataclass(frozen=True)
class ExportKeys:
    """The names of an export's objects: made of account and request together, by hash, so that no account's request can
    touch another's file and no id needs escaping."""

    account_hash: str
    export_hash: str

    @classmethod
    def of(cls, account_id: str, request_id: str) -> "ExportKeys":
        account = account_id.encode()
        # The length goes first: no two pairs of ids run together to the same bytes.
        both = len(account).to_bytes(8, "big") + account + request_id.encode()
        return cls(hashlib.sha256(account).hexdigest(), hashlib.sha256(both).hexdigest())

    @classmethod
    def of_file(cls, file_key: str) -> "ExportKeys":
        """Of the export that a file or a manifest belongs to."""
        _, account_hash, name = file_key.split("/")
        return cls(account_hash, name.partition(".")[0])

    @property
    def request(self) -> str:
        return f"{_REQUESTS}/{self.account_hash}/{self.export_hash}.request.json"

    @property
    def outcome(self) -> str:
        return f"{_REQUESTS}/{self.account_hash}/{self.export_hash}.outcome.json"

    @property
    def deletion(self) -> str:
        return f"{_REQUESTS}/{self.account_hash}/{self.export_hash}.deleted.json"

    @property
    def manifest(self) -> str:
        return f"{_FILES}/{self.account_hash}/{self.export_hash}.manifest.json"

    @property
    def file(self) -> str:
        """The CSV, also where it is gzipped: what a request asks for is no part of its file's key."""
        return f"{_FILES}/{self.account_hash}/{self.export_hash}.csv"

    def owns(self, file_key: str) -> bool:
        """Whether an object is a file of this export: the CSV, or what lies beside it under the same name."""
        return file_key.startswith(f"{_FILES}/{self.account_hash}/{self.export_hash}.")


@dataclass(frozen=True)
class AcceptedRequest:
    """A request that gets an export, with all that fixes the export's content, whoever makes it and however often.

    `period` is None where it could not be told. `log_end_offset` is the end of the account's partition of the log
    `request.place.log_id` when the export first began: what lies there and later belongs to the next export. It is None
    where it could not be learnt in time.
    """

    request: ExportRequest
    period: Period | None
    log_end_offset: int | None
    # Events that reached Kafka before this instant are rated and, where they are in the period, in the file; None: not known.
    data_complete_until_micros: int | None = None

    @property
    def keys(self) -> ExportKeys:
        return ExportKeys.of(self.request.account_id, self.request.request_id)


class RequestLedger:
    """All methods block and raise StorageUnavailableError."""

    def __init__(self, storage: ExportStorage) -> None:
        self._storage = storage

    def accepted(self, request: ExportRequest) -> AcceptedRequest | None:
        """What was accepted under this account and request id, if anything ever was."""
        record = self._storage.read_record(ExportKeys.of(request.account_id, request.request_id).request)
        return None if record is None else _accepted_from(record)

    def accept(self, accepted: AcceptedRequest) -> AcceptedRequest:
        """Accept a request. Gives what stands now: `accepted`, or what another worker wrote before."""
        if self._storage.create_record(accepted.keys.request, asdict(accepted)):
            return accepted
        return self.accepted(accepted.request) or accepted

    def outcome(self, accepted: AcceptedRequest) -> Notification | None:
        """The notification that ended it, if it has ended."""
        record = self._storage.read_record(accepted.keys.outcome)
        return None if record is None else record["notification"]

    def conclude(self, accepted: AcceptedRequest, notification: Notification) -> Notification:
        """End an export. Gives the outcome that stands now: `notification`, or another worker's."""
        record = {"place": asdict(accepted.request.place), "notification": notification}
        if self._storage.create_record(accepted.keys.outcome, record):
            return notification
        return self.outcome(accepted) or notification

    def newest(self, account_id: str) -> AcceptedRequest | None:
        """The last request of an account that was accepted, by its place in the log.

        Names are listed; records are read of the newest one, and of those that were written at the same moment.
        """
        folder = f"{_REQUESTS}/{ExportKeys.of(account_id, '').account_hash}"
        stored = [each for each in self._storage.list_objects(folder) if each.key.endswith(".request.json")]
        newest = heapq.nlargest(_MOST_OF_ONE_MOMENT, stored, key=lambda each: each.modified_at_micros)
        same_moment = [
            each.key for each in newest if each.modified_at_micros >= newest[0].modified_at_micros - _SAME_MOMENT_MICROS
        ]
        records = [record for key in same_moment if (record := self._storage.read_record(key)) is not None]
        return reduce(_later, map(_accepted_from, records)) if records else None

    def ended_since(self, request: ExportRequest) -> list[Ended]:
        """The ended exports of the request's account; those that ended long before the request was sent may be missing."""
        return list(self._ended_since(request))

    def _ended_since(self, request: ExportRequest) -> Iterator[Ended]:
        account_hash = ExportKeys.of(request.account_id, request.request_id).account_hash
        for stored in self._storage.list_objects(f"{_REQUESTS}/{account_hash}"):
            is_outcome = stored.key.endswith(".outcome.json")
            # An outcome is written right after its notification's time was taken.
            if is_outcome and stored.modified_at_micros // 1000 + _CLOCK_SLACK_MS >= request.sent_at_ms:
                record = self._storage.read_record(stored.key)
                if record is not None:
                    yield Ended(LogPlace(**record["place"]), record["notification"]["notified_at"] // 1000)

    def delete_files(self, account_id: str, request_id: str) -> bool:
        """Delete the files of an export that has ended, for good; False where there is no such export.

        That they are deleted is written down before they are: should a worker that was asleep write one of them again, its
        link stays dead all the same.
        """
        keys = ExportKeys.of(account_id, request_id)
        if self._storage.read_record(keys.outcome) is None:
            return False
        self._storage.create_record(keys.deletion, {"account_id": account_id, "request_id": request_id})
        for stored in self._storage.list_objects(f"{_FILES}/{keys.account_hash}"):
            if keys.owns(stored.key):
                self._storage.delete(stored.key)
        return True

    def files_are_deleted(self, keys: ExportKeys) -> bool:
        """Whether the files of an export were deleted before their time."""
        return self._storage.read_record(keys.deletion) is not None

    def delete_expired_files(self, now_micros: int, link_ttl_micros: int) -> int:
        """Delete the files whose links have expired, and those that no outcome ever named. Gives how many.

        `link_ttl_micros` is how long links last now: files younger than that are not looked at. A file is younger than its
        outcome, which may have to wait for an outage to end: so those without one get a day at least.
        """
        deleted = self._storage.delete_leftovers(now_micros - _LEFTOVER_MICROS)
        for stored in self._storage.list_objects(_FILES):
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


def _later(one: AcceptedRequest, other: AcceptedRequest) -> AcceptedRequest:
    first, second = one.request, other.request
    if first.place.log_id != second.place.log_id:
        return one if first.sent_at_ms > second.sent_at_ms else other
    return other if first.place.is_before(second.place) else one


def _accepted_from(record: dict[str, Any]) -> AcceptedRequest:
    request = record["request"]
    return AcceptedRequest(
        request=ExportRequest(**{**request, "place": LogPlace(**request["place"])}),
        period=None if record["period"] is None else Period(**record["period"]),
        log_end_offset=record["log_end_offset"],
        data_complete_until_micros=record.get("data_complete_until_micros"),
    )
