"""When a request is a repeat: an earlier export of its account answers it too. And whether it asked for the same file. Pure."""

import hashlib
import json
from dataclasses import asdict, dataclass

from exporter.request.csv_options import UnknownOption
from exporter.request.file_options import AskedFile
from exporter.request.requests import ExportRequest, RequestPosition


@dataclass(frozen=True)
class Ended:
    """An export that has ended: the position of its request, and where that partition of `export-requests` ended by then."""

    position: RequestPosition
    requests_end_offset: int


def is_repeat(request: ExportRequest, earlier: Ended | None) -> bool:
    """Whether the request lay in the log when an earlier export of its account ended.

    `earlier` is the last export that was accepted before the request, None if none was. The position decides and not the
    request's time, because the sender's clock makes that time.
    """
    if earlier is None or not earlier.position.is_before(request.position):
        return False
    return request.position.offset < earlier.requests_end_offset


def asked_digest(file: AskedFile, time_zone: str | None, from_micros: int | None, to_micros: int | None) -> str:
    """The same for two requests of an account that ask for the same file, whether they name a default or leave it out.

    SHA-256, because descriptions may be many, and a header should be short. Where a period ends at the request, when that was
    makes no difference.
    """
    options = file.options()
    meant = asdict(file if isinstance(options, UnknownOption) else options)
    if not isinstance(options, UnknownOption):
        meant["descriptions"] = sorted(options.descriptions)
    asked = [meant, "UTC" if time_zone is None else time_zone, from_micros, to_micros]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
