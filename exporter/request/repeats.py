"""When a request is a repeat: an earlier export of its account answers it too. Pure."""

from dataclasses import dataclass

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
