"""Conditional requests of RFC 9110, section 13, as far as a download needs them: by entity tag, since no date is told. Pure."""

import re
from collections.abc import Mapping

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def unmet_precondition(headers: Mapping[str, str], etag: str) -> int | None:
    """412 or 304 where the request asks for another, or for no more than what it has; else None. `etag` is a strong one."""
    if_match, if_none_match = headers.get("If-Match"), headers.get("If-None-Match")
    if if_match is not None and if_match.strip() != "*" and etag not in _TAG.findall(if_match):
        return 412
    if if_none_match is None:
        return None
    # Here, other than in the two comparisons beside it, a weak tag counts as well.
    known = [tag.removeprefix("W/") for tag in _TAG.findall(if_none_match)]
    return 304 if if_none_match.strip() == "*" or etag in known else None


def range_applies(headers: Mapping[str, str], etag: str) -> bool:
    """Whether a part may be sent: with `If-Range` only of the very file that the reader has the beginning of."""
    return headers.get("If-Range", etag).strip() == etag
