"""Conditional requests and byte ranges of RFC 9110, sections 13 and 14, as far as a download needs them. Pure.

aiohttp parses the headers, but for `If-Range`: it expects a date there, and a download has an entity tag and no date. `etag` is
a strong entity tag with its quotes.
"""

from aiohttp import ETag, hdrs
from aiohttp.helpers import ETAG_ANY
from aiohttp.web import BaseRequest


class UnsatisfiableRangeError(ValueError):
    """The range begins after the end."""


def unmet_precondition(request: BaseRequest, etag: str) -> int | None:
    """412 or 304 where the request wants another file, or only one that it does not have yet; else None."""
    if hdrs.IF_MATCH in request.headers and not _matches(request.if_match, etag, weak=False):
        return 412
    return 304 if _matches(request.if_none_match, etag, weak=True) else None


def asked_part(request: BaseRequest, etag: str | None, size_bytes: int) -> tuple[int, int] | None:
    """The bytes `start <= n < end` that the request asks for; None if it asks for the whole file.

    By the RFC a Range that is no single range of bytes (several ranges, another unit, nonsense) is ignored, so it asks for the
    whole file too. Only GET has parts, and with `If-Range` only if the file is the one of which the reader has the beginning.
    Raises UnsatisfiableRangeError.
    """
    if request.method != hdrs.METH_GET or hdrs.RANGE not in request.headers or not _range_applies(request, etag):
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None
    start, end, _ = asked.indices(size_bytes)
    # aiohttp takes "bytes=-0" (the last 0 bytes) for the whole file.
    if start >= end or (asked.start == 0 and "=-" in request.headers[hdrs.RANGE]):
        raise UnsatisfiableRangeError(f"{request.headers[hdrs.RANGE]} of {size_bytes} bytes")
    return start, end


def _range_applies(request: BaseRequest, etag: str | None) -> bool:
    return hdrs.IF_RANGE not in request.headers or request.headers[hdrs.IF_RANGE].strip() == etag


def _matches(tags: tuple[ETag, ...] | None, etag: str, *, weak: bool) -> bool:
    return any(tag.value in (etag.strip('"'), ETAG_ANY) and (weak or not tag.is_weak) for tag in tags or ())
