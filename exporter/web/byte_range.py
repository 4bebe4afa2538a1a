"""The Range header of RFC 9110, as far as a download needs it: one range of bytes. Pure."""

import re

_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class UnsatisfiableRangeError(ValueError):
    """The range begins after the end."""


def byte_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """The bytes `start <= n < end` that `header` asks for; None if it asks for the whole.

    What is no single range of bytes (several ones, another unit, nonsense) is to be ignored, says the RFC, so it asks for the
    whole too. Raises UnsatisfiableRangeError.
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header is not None else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        # The last so many bytes.
        start, end = max(size_bytes - int(last), 0), size_bytes
    else:
        start, end = int(first), min(int(last) + 1 if last else size_bytes, size_bytes)
        if last and int(last) < start:
            return None
    if start >= end:
        raise UnsatisfiableRangeError(f"{header} of {size_bytes} bytes")
    return start, end
