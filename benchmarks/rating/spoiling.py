"""Two per cent of the usage events spoiled in all ways that a publisher's bug, a proxy or a cut connection spoil them."""

from collections.abc import Callable
from typing import Any

import polars as pl

from schemas.codec import RecordCodec
from schemas.wire import HEADER_BYTES

_EACH = 50
# Where the text of the account begins: behind that of the event's id, 36 bytes and their length, and its own length.
_ACCOUNT = HEADER_BYTES + 1 + 36 + 1
_HUGE_LENGTH = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"


class SpoilingCodec(RecordCodec):
    """The codec of usage events; of the values that it gives each fiftieth is no record, the ways in turn."""

    def encode(self, records: pl.DataFrame) -> list[bytes]:
        values = super().encode(records)
        for number in range(_EACH - 1, len(values), _EACH):
            way = _WAYS[number // _EACH % len(_WAYS)]
            values[number] = way(values[number], records.row(number, named=True))
        return values


def _truncated(value: bytes, _: dict[str, Any]) -> bytes:
    return value[: len(value) // 2]


def _with_more_behind(value: bytes, _: dict[str, Any]) -> bytes:
    return value + b"\0"


def _not_utf8(value: bytes, _: dict[str, Any]) -> bytes:
    return value[:_ACCOUNT] + b"\xff" + value[_ACCOUNT + 1 :]


def _with_a_third_branch(value: bytes, record: dict[str, Any]) -> bytes:
    last = record["campaign_id"]
    branch = len(value) - (1 if last is None else len(last.encode()) + 2)
    return value[:branch] + b"\x04" + value[branch + 1 :]


def _with_a_huge_length(value: bytes, _: dict[str, Any]) -> bytes:
    return value[:HEADER_BYTES] + _HUGE_LENGTH + value[HEADER_BYTES + 1 :]


_WAYS: list[Callable[[bytes, dict[str, Any]], bytes]] = [
    _truncated, _with_more_behind, _not_utf8, _with_a_third_branch, _with_a_huge_length,
]  # fmt: skip
