"""The exporter's memory: which requests were accepted, and how they ended. Three small records each, in object storage.

All are written once, by conditional create: a worker that was paused, and one that took over from it, may both try, and
whoever comes second gets what the first one wrote. So there is one period, one place in the log and one outcome for each
request, whatever happens to the workers. The records stay for ever (a request id is known for ever); the files expire.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

from exporter.request.requests import Ended, ExportRequest, LogPlace
from exporter.request.window import Period
from exporter.storage.objects import ExportStorage

Notification = dict[str, Any]

_REQUESTS = "requests"
_FILES = "files"
_PLACES = "places"
_LAST_OFFSET = 2**63 - 2
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

    def place(self, place: LogPlace) -> str:
        """Tells where the request of the export lies, by its name alone."""
        return f"{_place_names(self.account_hash, place)}.{self.export_hash}.json"

    @classmethod
    def of_place(cls, place_key: str) -> "ExportKeys":
        """Of the export that a place belongs to."""
        _, account_hash, _, name = place_key.split("/")
        return cls(account_hash, name.split(".")[1])

    def owns(self, file_key: str) -> bool:
        """Whether an object is a file of this export: the CSV, or what lies beside it under the same name."""
        return file_key.startswith(f"{_FILES}/{self.account_hash}/{self.export_hash}.")


@dataclass(frozen=True)
class AcceptedRequest:
    """A request that gets an export, with all that fixes the export's content, whoever makes it and however often.

    `period` is None where it could not be told. `log_end_offset` is the end of the account's partition of `credit-movements`,
    of the log `movements_log_id`, when the export first began: what lies there and later belongs to the next export. It is
    None where it could not be learnt in time.
    """

    request: ExportRequest
    period: Period | None
    movements_log_id: str
    log_end_offset: int | None
    # Events that reached Kafka before this instant are rated and, where they are in the period, in the file; None: not known.
    data_complete_until_micros: int | None = None

    @property
    def keys(self) -> ExportKeys:
        return ExportKeys.of(self.request.account_id, self.request.request_id)


@dataclass(frozen=True)
class Outcome:
    """How an export ended. `requests_end_offset` is the end of its request's partition of `export-requests` by then: it answers
    what its account had asked for below."""

    notification: Notification
    requests_end_offset: int


class ExportRecords:
    """All methods block and raise StorageUnavailableError."""

    def __init__(self, storage: ExportStorage) -> None:
        self._storage = storage

    def accepted(self, request: ExportRequest) -> AcceptedRequest | None:
        """What was accepted under this account and request id, if anything ever was."""
        record = self._storage.read_record(ExportKeys.of(request.account_id, request.request_id).request)
        return None if record is None else _accepted_from(record)

    def accept(self, accepted: AcceptedRequest) -> AcceptedRequest:
        """Accept a request. Gives what stands now: `accepted`, or what another worker wrote before."""
        # First: what is accepted must be found by the requests behind it.
        self._storage.create_record(accepted.keys.place(accepted.request.place), {})
        if self._storage.create_record(accepted.keys.request, asdict(accepted)):
            return accepted
        return self.accepted(accepted.request) or accepted

    def outcome(self, accepted: AcceptedRequest) -> Outcome | None:
        """How it ended, if it has ended."""
        record = self._storage.read_record(accepted.keys.outcome)
        return None if record is None else Outcome(record["notification"], record["requests_end_offset"])

    def conclude(self, accepted: AcceptedRequest, outcome: Outcome) -> Outcome:
        """End an export. Gives the outcome that stands now: `outcome`, or another worker's."""
        record = {"place": asdict(accepted.request.place), **asdict(outcome)}
        if self._storage.create_record(accepted.keys.outcome, record):
            return outcome
        return self.outcome(accepted) or outcome

    def ended_before(self, request: ExportRequest) -> Ended | None:
        """The last export of the request's account that was accepted before it in its log, if there is one that has ended.

        It alone can make the request a repeat: an account's requests are decided on in the order of the log, each after the
        end of the one before, so no earlier export noted a later end. One name is listed and one record read, however many
        exports the account ever had.
        """
        keys = self._last_before(ExportKeys.of(request.account_id, "").account_hash, request.place)
        outcome = None if keys is None else self._storage.read_record(keys.outcome)
        return None if outcome is None else Ended(LogPlace(**outcome["place"]), outcome["requests_end_offset"])

    def newest(self, account_id: str, log_id: str, partition: int) -> AcceptedRequest | None:
        """The last request of an account that was accepted: in the log `log_id`, else in one that is gone."""
        account_hash = ExportKeys.of(account_id, "").account_hash
        keys = self._last_before(account_hash, LogPlace(log_id, partition, _LAST_OFFSET))
        if keys is None:
            stored = self._storage.list_objects(f"{_PLACES}/{account_hash}")
            last = max(stored, key=lambda each: (each.modified_at_micros, each.key), default=None)
            keys = None if last is None else ExportKeys.of_place(last.key)
        record = None if keys is None else self._storage.read_record(keys.request)
        return None if record is None else _accepted_from(record)

    def _last_before(self, account_hash: str, place: LogPlace) -> ExportKeys | None:
        # Behind all names of `place` itself, before all of the offset below.
        behind = _place_names(account_hash, replace(place, offset=place.offset - 1))
        key = self._storage.first_behind(behind)
        return None if key is None else ExportKeys.of_place(key)

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


def _place_names(account_hash: str, place: LogPlace) -> str:
    """What the names begin with that say "a request of this account lies here": the later in the log, the earlier by name."""
    log_hash = hashlib.sha256(f"{place.partition} {place.log_id}".encode()).hexdigest()
    return f"{_PLACES}/{account_hash}/{log_hash}/{_LAST_OFFSET - place.offset:019}"


def _accepted_from(record: dict[str, Any]) -> AcceptedRequest:
    request = record["request"]
    return AcceptedRequest(
        request=ExportRequest(**{**request, "place": LogPlace(**request["place"])}),
        period=None if record["period"] is None else Period(**record["period"]),
        movements_log_id=record["movements_log_id"],
        log_end_offset=record["log_end_offset"],
        data_complete_until_micros=record.get("data_complete_until_micros"),
    )
