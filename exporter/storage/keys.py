"""The names of an export's objects in the storage.

They are hashes of account and request together: so no request of an account can touch another account's file, and no id needs
escaping.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from exporter.request.requests import RequestPosition

FILES: Final = "files"
_REQUESTS: Final = "requests"
# The storage's name for the positions of requests. It stays, because objects of earlier versions lie there.
_POSITIONS: Final = "places"
LAST_OFFSET: Final = 2**63 - 2


@dataclass(frozen=True)
class ExportKeys:
    """The names of one export's objects."""

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

    @classmethod
    def of_position(cls, position_key: str) -> "ExportKeys":
        """Of the export that a name made by `position` belongs to."""
        _, account_hash, _, name = position_key.split("/")
        return cls(account_hash, name.split(".")[1])

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
        return f"{FILES}/{self.account_hash}/{self.export_hash}.manifest.json"

    @property
    def file(self) -> str:
        """The file, in whatever format: the options of a request are no part of the key."""
        return f"{FILES}/{self.account_hash}/{self.export_hash}.csv"

    def position(self, position: RequestPosition) -> str:
        """The name of an empty object that says where the request of the export lies."""
        return f"{_position_names(self.account_hash, position)}.{self.export_hash}.json"

    def owns(self, file_key: str) -> bool:
        """Whether an object is a file of this export: the CSV, or what lies beside it under the same name."""
        return file_key.startswith(f"{FILES}/{self.account_hash}/{self.export_hash}.")


def positions_of_account(account_hash: str) -> str:
    """The folder of the names of all positions of an account."""
    return f"{_POSITIONS}/{account_hash}"


def before_all_earlier(account_hash: str, position: RequestPosition) -> str:
    """A name after which the names of the account's positions before `position` follow, the last of them first."""
    # It comes after all names of `position` itself, and before all names of the offset below.
    return _position_names(account_hash, replace(position, offset=position.offset - 1))


def _position_names(account_hash: str, position: RequestPosition) -> str:
    """The beginning of the names of one position: a later position in the log has an earlier name."""
    log_hash = hashlib.sha256(f"{position.partition} {position.log_id}".encode()).hexdigest()
    return f"{positions_of_account(account_hash)}/{log_hash}/{LAST_OFFSET - position.offset:019}"
